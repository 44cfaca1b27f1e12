/** Opens the history next to the page. */

import { type Browser, browser } from "wxt/browser";

/** Firefox's API, which the types of Chrome's lack. */
interface WithSidebar {
  sidebarAction: { open(): Promise<void> };
}

/**
 * Open Chrome's side panel or Firefox's sidebar, or a tab in browsers without them. Call it directly
 * from a click.
 */
export async function openHistory({ windowId }: Pick<Browser.tabs.Tab, "windowId">): Promise<void> {
  try {
    if (import.meta.env.FIREFOX) await (browser as unknown as WithSidebar).sidebarAction.open();
    else await browser.sidePanel.open({ windowId });
  } catch {
    await browser.tabs.create({ url: browser.runtime.getURL("/sidepanel.html"), windowId });
  }
}
