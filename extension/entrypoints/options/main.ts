import { OptionsForm } from "../../lib/options";
import { direction, language, text } from "../../lib/i18n";

document.documentElement.lang = language();
document.documentElement.dir = direction();
document.title = text("options_title");
for (const element of document.querySelectorAll<HTMLElement>("[data-i18n]")) {
  element.textContent = text(element.dataset.i18n ?? "");
}

void new OptionsForm(document).start();
