// @vitest-environment node
import "fake-indexeddb/auto";
import { beforeEach, expect, test, vi } from "vitest";
import { fakeBrowser } from "wxt/testing";
import background from "../entrypoints/background";
import type { WorkerRequest } from "../lib/messages";
import { loadEntries } from "../lib/history";
import { DEFAULTS, loadSettings, saveSettings } from "../lib/settings";
import { type Outcome, stateOf } from "../lib/verdict";
import { doneItem } from "./examples";
import { type FakeServer, serve } from "./server";

const KEY = "assay_right";
const toPages = vi.fn();
let server: FakeServer;

beforeEach(async () => {
  toPages.mockReset().mockResolvedValue(true);
  const event = { addListener: () => {} };
  Object.assign(fakeBrowser.contextMenus, { onClicked: event, create: () => {} });
  Object.assign(fakeBrowser.action, { onClicked: event });
  Object.assign(fakeBrowser, { commands: { onCommand: event } });
  Object.assign(fakeBrowser.tabs, { query: async () => [{ id: 7 }], sendMessage: toPages });
  server = await serve(({ authorization, body }) =>
    authorization === `Bearer ${KEY}`
      ? { body: { id: "c", items: JSON.parse(body).urls.map((url: string) => doneItem(url)) } }
      : { status: 401, body: {} },
  );
  await saveSettings({ ...DEFAULTS, server: server.url });
  background.main();
});

const trigger = fakeBrowser.runtime.onMessage.trigger as (...facts: unknown[]) => Promise<unknown>;

const sender = { url: "https://p.example/", tab: { id: 7, incognito: false } };

/** Send a message as a page does. The fake browser itself drops replies that come later. */
function send(request: WorkerRequest): Promise<Outcome> {
  return new Promise((resolve) => void trigger(request, sender, resolve));
}

const badge = () => fakeBrowser.action.getBadgeText({});

test("feedback is answered, also when the server refuses it, and closes nothing", async () => {
  const image = { url: "https://x.example/a.jpg", sha256: "" };
  const answer = await send({ kind: "contest", ...image, says: "ai", comment: "" });
  expect(answer).toMatchObject({ failure: { code: "key_missing" } });
  expect(server.requests.map(({ path }) => path)).toEqual(["/v1/feedback"]);
  expect(await badge()).toBe("");
});

test("a key that is entered in the options ends the trouble on all pages", async () => {
  const outcome = await send({ kind: "check-url", url: "a" });
  expect(outcome).toMatchObject({ failure: { code: "key_missing", retryAt: expect.any(Number) } });
  await vi.waitFor(async () => expect(await badge()).toBe("!"));
  await saveSettings({ ...DEFAULTS, server: server.url, key: KEY });
  await vi.waitFor(() => expect(toPages).toHaveBeenCalledExactlyOnceWith(7, { kind: "try-again" }));
  expect(stateOf(await send({ kind: "check-url", url: "a" }))).toBe("ai");
  expect(await badge()).toBe("");
});

test("an update of the extension keeps badges off that were off", async () => {
  await fakeBrowser.storage.local.set({ badges: false });
  await fakeBrowser.runtime.onInstalled.trigger({ reason: "update", temporary: false } as never);
  await vi.waitFor(async () => expect((await loadSettings()).mode).toBe("manual"));
});

test("other settings make no page try again", async () => {
  await send({ kind: "check-url", url: "a" });
  await saveSettings({ ...DEFAULTS, server: server.url, mode: "manual" });
  expect(toPages).not.toHaveBeenCalled();
});

test("a successful connection test in the options ends the trouble, too", async () => {
  await send({ kind: "check-url", url: "a" });
  void trigger({ kind: "server-works" }, {}, () => {});
  await vi.waitFor(() => expect(toPages).toHaveBeenCalledOnce());
});

test("private look-ups send no address until the user asks for a check", async () => {
  // Node.js has no images, so the history has no picture of the file.
  vi.stubGlobal("createImageBitmap", () => Promise.reject(new TypeError("no image")));
  const url = "https://x.example/a.jpg";
  server = await serve(({ path }) => ({
    body: path.startsWith("/v1/lookups/")
      ? { verdicts: [] }
      : { id: "c", items: [doneItem(path === "/v1/images" ? "" : url)] },
  }));
  await saveSettings({ ...DEFAULTS, server: server.url, privateLookups: true });
  expect(stateOf(await send({ kind: "check-url", url }))).toBe("unknown");
  expect(stateOf(await send({ kind: "check-bytes", data: "data:,x" }))).toBe("unknown");
  expect(server.requests.map(({ path }) => path)).toEqual([
    expect.stringMatching(/^\/v1\/lookups\/[\da-f]{5}$/),
  ]);
  expect(stateOf(await send({ kind: "check-url", url, asked: true }))).toBe("ai");
  expect(server.requests.at(-1)!.body).toContain(url);
  await send({ kind: "check-bytes", data: "data:,x", asked: true });
  expect(server.requests.at(-1)!.path).toBe("/v1/images");
});

test("pages look again when private look-ups are turned on or off", async () => {
  await saveSettings({ ...DEFAULTS, server: server.url, key: KEY, privateLookups: true });
  await vi.waitFor(() => expect(toPages).toHaveBeenCalledWith(7, { kind: "try-again" }));
});

test("what a page was told is in the history", async () => {
  await saveSettings({ ...DEFAULTS, server: server.url, key: KEY });
  await send({ kind: "check-url", url: "https://x.example/kept.jpg" });
  await vi.waitFor(async () =>
    expect((await loadEntries())[0]?.url).toBe("https://x.example/kept.jpg"),
  );
});
