import { beforeEach, expect, test, vi } from "vitest";
import { fakeBrowser } from "wxt/testing";
import { onCommand } from "../lib/worker/commands";

const sendMessage = vi.fn<(...facts: unknown[]) => Promise<unknown>>();
const tab = { id: 7 } as never;

beforeEach(() => {
  sendMessage.mockReset().mockResolvedValue(true);
  Object.assign(fakeBrowser.tabs, { sendMessage });
});

test("all frames are asked for the image, and the one that has it replies", async () => {
  await onCommand("check-image", tab);
  expect(sendMessage.mock.calls).toEqual([[7, { kind: "check-pointed" }]]);
});

test("where no frame has an image, the page says so", async () => {
  sendMessage.mockResolvedValueOnce(undefined);
  await onCommand("check-image", tab);
  expect(sendMessage.mock.calls.at(-1)).toEqual([7, { kind: "show-none" }, { frameId: 0 }]);
});

test("all images of the page are checked in all frames", async () => {
  await onCommand("check-page", tab);
  expect(sendMessage.mock.calls).toEqual([[7, { kind: "check-page" }]]);
});

test("without a tab there is nothing to check", async () => {
  await onCommand("check-page", undefined);
  expect(sendMessage).not.toHaveBeenCalled();
});
