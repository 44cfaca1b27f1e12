/** Copies text from a page. */

import { make } from "../dom";

/** Copy a text after a click. Returns whether the browser allowed it. */
export async function copy(text: string, dialog: HTMLElement): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Pages without https have no clipboard, and frames may not use it.
    return copySelected(text, dialog);
  }
}

/** Copy a text by selecting it. Only what is in the open dialog can be selected. */
function copySelected(text: string, dialog: HTMLElement): boolean {
  const { activeElement } = dialog.getRootNode() as ShadowRoot;
  const field = make("textarea", "copied", text);
  dialog.append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  if (activeElement instanceof HTMLElement) activeElement.focus();
  return copied;
}
