import { OptionsForm } from "../../lib/options";
import { direction, language, say } from "../../lib/words";

document.documentElement.lang = language();
document.documentElement.dir = direction();
document.title = say("options_title");
for (const element of document.querySelectorAll<HTMLElement>("[data-say]")) {
  element.textContent = say(element.dataset.say ?? "");
}

void new OptionsForm(document).start();
