/** Writes the texts of one of the extension's own pages, in the user's language. */

import { direction, language, text } from "./i18n";

/** Fill the elements that name a message in `data-i18n`. */
export function localise(page: Document): void {
  page.documentElement.lang = language();
  page.documentElement.dir = direction();
  for (const element of page.querySelectorAll<HTMLElement>("[data-i18n]")) {
    element.textContent = text(element.dataset.i18n ?? "");
  }
}
