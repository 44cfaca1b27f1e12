/** The menu in the options in which the user chooses a language. */

import { make } from "./dom";
import { chooseLanguage, chosenLanguage, type Language, LANGUAGES } from "./language";

/** Fill the menu, and apply each choice at once: a button to save may be in a foreign language. */
export function startLanguageMenu(menu: HTMLSelectElement): void {
  menu.append(...LANGUAGES.map(drawLanguage));
  menu.addEventListener("change", () => void chooseLanguage(menu.value as Language | ""));
  showLanguage(menu);
}

/** Show the choice, which may have been made elsewhere. */
export function showLanguage(menu: HTMLSelectElement): void {
  menu.value = chosenLanguage();
}

function drawLanguage(name: Language): HTMLOptionElement {
  const option = make("option", "", ownName(name));
  option.value = option.lang = name;
  return option;
}

/** What a language is called in it, as the start of a line. */
function ownName(language: Language): string {
  const name = new Intl.DisplayNames([language], { type: "language" }).of(language) ?? language;
  return name.charAt(0).toLocaleUpperCase(language) + name.slice(1);
}
