/** Shows on the toolbar button that the server is in trouble. */

import { browser } from "wxt/browser";
import { help, reason, text } from "../i18n";
import { loadLanguage } from "../language";
import type { Failure } from "../verdict";

const COLOUR = "#a3163a";

/** Show a failure of the server, or with undefined that there is none. */
export async function showTrouble(failure: Failure | undefined): Promise<void> {
  await loadLanguage();
  const title = failure
    ? text("action_trouble", reason(failure), help(failure))
    : text("action_title");
  await browser.action.setBadgeBackgroundColor({ color: COLOUR });
  await browser.action.setBadgeText({ text: failure ? "!" : "" });
  await browser.action.setTitle({ title });
}
