import { showLanguage, startLanguageMenu } from "../../lib/language_menu";
import { localise } from "../../lib/localise";
import { OptionsForm } from "../../lib/options";

const form = new OptionsForm(document);
const languages = document.querySelector<HTMLSelectElement>("#language")!;

void localise(document, () => {
  showLanguage(languages);
  void form.localise();
}).then(() => {
  startLanguageMenu(languages);
  void form.start();
});
