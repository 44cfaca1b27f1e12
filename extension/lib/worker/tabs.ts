/** Has the content scripts of one tab check images. */

import { browser } from "wxt/browser";
import { text } from "../i18n";
import { loadLanguage } from "../language";
import type { CheckPointed, PageMessage } from "../messages";

/** The built content script. */
const CONTENT_SCRIPT = "/content-scripts/content.js";

/** Have one frame show something. */
export async function showIn(tabId: number, frameId: number, message: PageMessage): Promise<void> {
  const send = () => browser.tabs.sendMessage(tabId, message, { frameId });
  await sendOrInject(tabId, { frameIds: [frameId] }, send);
}

/** Check all images of a page, in all its frames. */
export async function checkPageIn(tabId: number): Promise<void> {
  const message: PageMessage = { kind: "check-page" };
  await sendOrInject(tabId, { allFrames: true }, () => browser.tabs.sendMessage(tabId, message));
}

/** Check the image in focus or under the pointer, whichever frame has it. */
export async function checkPointedIn(tabId: number): Promise<void> {
  const message: CheckPointed = { kind: "check-pointed" };
  await sendOrInject(tabId, { allFrames: true }, async () => {
    const found: unknown = await browser.tabs.sendMessage(tabId, message);
    if (!found) await showIn(tabId, 0, { kind: "show-none" });
  });
}

type Frames = { frameIds: number[] } | { allFrames: true };

/** Run the content script in a page that was open before the installation. */
export async function addContentScript(tabId: number, frames: Frames): Promise<void> {
  const target = { tabId, ...frames };
  await browser.scripting.executeScript({ target, files: [CONTENT_SCRIPT] });
}

/** Send something. If there is no content script, add it first. */
async function sendOrInject(
  tabId: number,
  frames: Frames,
  send: () => Promise<unknown>,
): Promise<void> {
  try {
    await send().catch(async () => {
      await addContentScript(tabId, frames);
      await send();
    });
  } catch {
    await showNotAvailable(tabId);
  }
}

/** The browser allows no extension on its own pages. Show that on the toolbar button. */
async function showNotAvailable(tabId: number): Promise<void> {
  await browser.action.setBadgeText({ tabId, text: "!" });
  await loadLanguage();
  await browser.action.setTitle({ tabId, title: text("action_not_available") });
}
