/** The entries of the menus that a right-click opens: on pages, and on the toolbar button. */

import { type Browser, browser } from "wxt/browser";
import { consolePage } from "../console";
import { text } from "../i18n";
import { loadLanguage } from "../language";
import { loadSettings } from "../settings";
import { openHistory } from "./history_panel";
import { checkPageIn, showIn } from "./tabs";

/** Pages and images that the server may be able to fetch. */
const WEB = ["http://*/*", "https://*/*"] as [string, ...string[]];

/** The messages of the entries, by the entries' ids. */
const TITLES = {
  "check-image": "menu_check_image",
  "open-console": "menu_open_console",
  "check-link": "menu_check_link",
  "check-page": "check_page",
  "open-history": "menu_open_history",
};

export async function createMenu(): Promise<void> {
  await loadLanguage();
  const create = (id: keyof typeof TITLES, more: Partial<Browser.contextMenus.CreateProperties>) =>
    browser.contextMenus.create({ id, title: text(TITLES[id]), ...more });
  create("check-image", {
    // The browser tells only of some images. To it, a background is the page or a link.
    contexts: ["image", "video", "link", "page", "frame"],
  });
  create("open-console", { contexts: ["image"], targetUrlPatterns: WEB });
  create("check-link", { contexts: ["link"], targetUrlPatterns: WEB });
  create("check-page", { contexts: ["page"], documentUrlPatterns: WEB });
  create("open-history", { contexts: ["action"] });
}

/** Show the entries in the chosen language. */
export async function translateMenu(): Promise<void> {
  await loadLanguage();
  for (const [id, message] of Object.entries(TITLES)) {
    await browser.contextMenus.update(id, { title: text(message) });
  }
}

export async function onMenuClicked(
  info: Browser.contextMenus.OnClickData,
  tab: Browser.tabs.Tab | undefined,
): Promise<void> {
  if (tab?.id === undefined) return;
  const frameId = info.frameId ?? 0;
  switch (info.menuItemId) {
    case "check-image":
      return showIn(tab.id, frameId, { kind: "show-check", url: imageUrl(info) });
    case "check-link":
      return showIn(tab.id, frameId, { kind: "check-link", url: info.linkUrl ?? "" });
    case "check-page":
      return checkPageIn(tab.id);
    case "open-console":
      return openConsole(info.srcUrl ?? "", tab);
    case "open-history":
      return openHistory(tab);
  }
}

/** The address of the image. Empty if the browser does not report it: the page then finds it. */
function imageUrl({ mediaType, srcUrl }: Browser.contextMenus.OnClickData): string {
  return mediaType === "image" && srcUrl ? srcUrl : "";
}

/** Open the server's page, with the image's address in its form. */
async function openConsole(image: string, { index, windowId }: Browser.tabs.Tab): Promise<void> {
  const { server } = await loadSettings();
  await browser.tabs.create({ url: consolePage(server, image), index: index + 1, windowId });
}
