import { beforeEach, expect, test, vi } from "vitest";
import { fakeBrowser } from "wxt/testing";
import { DEFAULTS, saveSettings } from "../lib/settings";
import { createMenu, onMenuClicked } from "../lib/worker/menu";

const sendMessage = vi.fn();
const executeScript = vi.fn();
const create = vi.fn();
const createTab = vi.fn();
const openPanel = vi.fn();

beforeEach(() => {
  vi.resetAllMocks();
  sendMessage.mockResolvedValue(true);
  executeScript.mockResolvedValue([]);
  Object.assign(fakeBrowser.tabs, { sendMessage, create: createTab });
  Object.assign(fakeBrowser.scripting, { executeScript });
  Object.assign(fakeBrowser.contextMenus, { create });
  Object.assign(fakeBrowser, { sidePanel: { open: openPanel } });
});

const tab = { id: 7, index: 3, windowId: 5 } as never;
const choose = (menuItemId: string, info: object) =>
  onMenuClicked({ menuItemId, frameId: 3, ...info } as never, tab);
const clicked = (srcUrl?: string, mediaType = "image") =>
  choose("check-image", { srcUrl, mediaType });

test("each entry is offered where it can work", async () => {
  await createMenu();
  expect(create.mock.calls.map(([{ id, contexts }]) => [id, contexts])).toEqual([
    ["check-image", ["image", "video", "link", "page", "frame"]],
    ["open-console", ["image"]],
    ["check-link", ["link"]],
    ["check-page", ["page"]],
    ["open-history", ["action"]],
  ]);
  for (const [{ title }] of create.mock.calls) expect(title).not.toBe("");
});

test("a click has the frame show a check of the image", async () => {
  await clicked("https://x.example/a.jpg");
  expect(sendMessage).toHaveBeenCalledExactlyOnceWith(
    7,
    { kind: "show-check", url: "https://x.example/a.jpg" },
    { frameId: 3 },
  );
  expect(executeScript).not.toHaveBeenCalled();
});

test("an address that the browser does not tell is left to the page to find", async () => {
  await clicked(undefined);
  expect(sendMessage.mock.calls[0]![1]).toEqual({ kind: "show-check", url: "" });
});

test("the address of a video is not taken for its poster's", async () => {
  await clicked("https://x.example/film.mp4", "video");
  expect(sendMessage.mock.calls[0]![1]).toEqual({ kind: "show-check", url: "" });
});

test("the image that a link points to is checked in the frame of the link", async () => {
  await choose("check-link", { linkUrl: "https://x.example/large.jpg" });
  expect(sendMessage).toHaveBeenCalledExactlyOnceWith(
    7,
    { kind: "check-link", url: "https://x.example/large.jpg" },
    { frameId: 3 },
  );
});

test("all images of a page are checked in all its frames", async () => {
  await choose("check-page", {});
  expect(sendMessage).toHaveBeenCalledExactlyOnceWith(7, { kind: "check-page" });
});

test("the server's page opens beside the tab, with the image's address", async () => {
  await saveSettings({ ...DEFAULTS, server: "https://assay.example/base" });
  await choose("open-console", { srcUrl: "https://x.example/a.jpg?b=c&d=e" });
  expect(createTab).toHaveBeenCalledExactlyOnceWith({
    url: "https://assay.example/base/?url=https%3A%2F%2Fx.example%2Fa.jpg%3Fb%3Dc%26d%3De",
    index: 4,
    windowId: 5,
  });
});

test("the history opens in the window of the click", async () => {
  await choose("open-history", {});
  expect(openPanel).toHaveBeenCalledExactlyOnceWith({ windowId: 5 });
});

test("a page that was open before Assay was installed gets the content script first", async () => {
  sendMessage.mockRejectedValueOnce(new Error("Receiving end does not exist."));
  await clicked("https://x.example/a.jpg");
  expect(executeScript).toHaveBeenCalledExactlyOnceWith({
    target: { tabId: 7, frameIds: [3] },
    files: ["/content-scripts/content.js"],
  });
  expect(sendMessage).toHaveBeenCalledTimes(2);
});

test("on the browser's own pages the toolbar's button says that it cannot run there", async () => {
  sendMessage.mockRejectedValue(new Error("Receiving end does not exist."));
  executeScript.mockRejectedValue(new Error("Cannot access a chrome:// URL"));
  await clicked("https://x.example/a.jpg");
  expect(await fakeBrowser.action.getBadgeText({ tabId: 7 })).toBe("!");
  expect(await fakeBrowser.action.getTitle({ tabId: 7 })).toContain("cannot run on this page");
});
