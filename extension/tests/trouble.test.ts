import { expect, test, vi } from "vitest";
import { fakeBrowser } from "wxt/testing";
import { tryAgainOnPages } from "../lib/worker/pages";
import { showTrouble } from "../lib/worker/toolbar";

const badgeText = () => fakeBrowser.action.getBadgeText({});
const title = () => fakeBrowser.action.getTitle({});

test("the toolbar button shows that the server is in trouble, and why, until it is not", async () => {
  await showTrouble({ code: "key_missing", detail: "" });
  expect(await badgeText()).toBe("!");
  expect(await title()).toMatch(/^Assay: API key missing\. .*Enter it in the options/);
  await showTrouble(undefined);
  expect(await badgeText()).toBe("");
  expect(await title()).toBe("Assay");
});

test("all tabs are told to try again, also if one has no content script", async () => {
  const tabs = await Promise.all([1, 2, 3].map(() => fakeBrowser.tabs.create({})));
  const sendMessage = vi.fn().mockRejectedValueOnce(new Error("no receiver")).mockResolvedValue(true);
  Object.assign(fakeBrowser.tabs, { sendMessage });
  await tryAgainOnPages();
  const told = sendMessage.mock.calls.map(([id, message]) => [id, message.kind]);
  expect(told).toEqual(expect.arrayContaining(tabs.map(({ id }) => [id, "try-again"])));
});
