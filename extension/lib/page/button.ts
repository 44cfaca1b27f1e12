/** The buttons of the card. */

import { make } from "../dom";

/** Make a button that only the user can press, and no script of the page. */
export function button(className: string, name: string, run: () => void): HTMLButtonElement {
  const element = make("button", className, name);
  element.type = "button";
  element.addEventListener("click", ({ isTrusted }) => {
    // Scripts of the page can dispatch clicks. Only the user may send a file or open a prompt.
    if (isTrusted) run();
  });
  return element;
}
