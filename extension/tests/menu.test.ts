import { beforeEach, expect, test, vi } from "vitest";
import { fakeBrowser } from "wxt/testing";
import { createMenu, onMenuClicked } from "../lib/worker/menu";

const sendMessage = vi.fn();
const executeScript = vi.fn();
const create = vi.fn();

beforeEach(() => {
  vi.resetAllMocks();
  sendMessage.mockResolvedValue(true);
  executeScript.mockResolvedValue([]);
  Object.assign(fakeBrowser.tabs, { sendMessage });
  Object.assign(fakeBrowser.scripting, { executeScript });
  Object.assign(fakeBrowser.contextMenus, { create });
});

const tab = { id: 7 } as never;
const clicked = (srcUrl?: string, mediaType = "image") =>
  onMenuClicked({ menuItemId: "check-image", frameId: 3, srcUrl, mediaType } as never, tab);

test("the menu has one entry, wherever an image may be", () => {
  createMenu();
  expect(create).toHaveBeenCalledExactlyOnceWith({
    id: "check-image",
    title: "Check image",
    contexts: ["image", "video", "link", "page", "frame"],
  });
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
