/** Carries out the keyboard commands of the manifest. */

import type { Browser } from "wxt/browser";
import { checkPageIn, checkPointedIn } from "./tabs";

export async function onCommand(
  command: string,
  tab: Browser.tabs.Tab | undefined,
): Promise<void> {
  if (tab?.id === undefined) return;
  if (command === "check-image") await checkPointedIn(tab.id);
  if (command === "check-page") await checkPageIn(tab.id);
}
