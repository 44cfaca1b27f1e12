/** Tells all open pages something. */

import { browser } from "wxt/browser";
import type { TryAgain } from "../messages";

/** Have all pages check the images again that the server could not check. */
export async function tryAgainOnPages(): Promise<void> {
  const message: TryAgain = { kind: "try-again" };
  for (const { id } of await browser.tabs.query({})) {
    // A tab without the content script rejects it.
    if (id !== undefined) void browser.tabs.sendMessage(id, message).catch(() => {});
  }
}
