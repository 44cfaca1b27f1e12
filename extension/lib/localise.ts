/** Writes the texts of one of the extension's own pages, in the user's language. */

import { direction, language, text } from "./i18n";
import { loadLanguage, onLanguage } from "./language";

/**
 * Write the page's texts now, and again whenever another language is chosen.
 *
 * @param redraw then draws what the page's code has written
 */
export async function localise(page: Document, redraw: () => void): Promise<void> {
  await loadLanguage();
  write(page);
  onLanguage(() => {
    write(page);
    redraw();
  });
}

/** Fill the elements that name a message in `data-i18n` or, for an input, in `data-placeholder`. */
function write(page: Document): void {
  page.documentElement.lang = language();
  page.documentElement.dir = direction();
  for (const element of page.querySelectorAll<HTMLElement>("[data-i18n]")) {
    element.textContent = text(element.dataset.i18n ?? "");
  }
  for (const input of page.querySelectorAll<HTMLInputElement>("[data-placeholder]")) {
    input.placeholder = text(input.dataset.placeholder ?? "");
  }
}
