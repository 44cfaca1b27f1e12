/** The "Check image" entry of the menu that a right-click on an image opens. */

import { type Browser, browser } from "wxt/browser";
import type { ShowCheck } from "../messages";

const MENU_ID = "check-image";

/** The built content script, for pages that were open before the installation. */
const CONTENT_SCRIPT = "/content-scripts/content.js";

export function createMenu(): void {
  browser.contextMenus.create({
    id: MENU_ID,
    title: browser.i18n.getMessage("menu_check_image"),
    contexts: ["image"],
  });
}

/** Show a check of the image in the frame in which the user clicked. */
export async function onMenuClicked(
  info: Browser.contextMenus.OnClickData,
  tab: Browser.tabs.Tab | undefined,
): Promise<void> {
  if (info.menuItemId !== MENU_ID || tab?.id === undefined) return;
  const message: ShowCheck = { kind: "show-check", url: info.srcUrl ?? "" };
  const frameId = info.frameId ?? 0;
  const show = () => browser.tabs.sendMessage(tab.id!, message, { frameId });
  try {
    await show().catch(async () => {
      const target = { tabId: tab.id!, frameIds: [frameId] };
      await browser.scripting.executeScript({ target, files: [CONTENT_SCRIPT] });
      await show();
    });
  } catch {
    await showNotAvailable(tab.id);
  }
}

/** The browser allows no extension on its own pages. Show that on the toolbar button. */
async function showNotAvailable(tabId: number): Promise<void> {
  await browser.action.setBadgeText({ tabId, text: "!" });
  const title = browser.i18n.getMessage("action_not_available");
  await browser.action.setTitle({ tabId, title });
}
