/** The "Check image" entry of the menu that a right-click opens. */

import { type Browser, browser } from "wxt/browser";
import type { ShowCheck } from "../messages";

const MENU_ID = "check-image";

/** The built content script, for pages that were open before the installation. */
export const CONTENT_SCRIPT = "/content-scripts/content.js";

export function createMenu(): void {
  browser.contextMenus.create({
    id: MENU_ID,
    title: browser.i18n.getMessage("menu_check_image"),
    // The browser tells only of some images. To it, a background is the page or a link.
    contexts: ["image", "video", "link", "page", "frame"],
  });
}

/** Show a check of the image in the frame in which the user clicked. */
export async function onMenuClicked(
  info: Browser.contextMenus.OnClickData,
  tab: Browser.tabs.Tab | undefined,
): Promise<void> {
  if (info.menuItemId !== MENU_ID || tab?.id === undefined) return;
  const message: ShowCheck = { kind: "show-check", url: imageUrl(info) };
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

/** The address of the image. Empty if the browser does not report it: the page then finds it. */
function imageUrl({ mediaType, srcUrl }: Browser.contextMenus.OnClickData): string {
  return mediaType === "image" && srcUrl ? srcUrl : "";
}

/** The browser allows no extension on its own pages. Show that on the toolbar button. */
async function showNotAvailable(tabId: number): Promise<void> {
  await browser.action.setBadgeText({ tabId, text: "!" });
  const title = browser.i18n.getMessage("action_not_available");
  await browser.action.setTitle({ tabId, title });
}
