import "fake-indexeddb/auto";
import { beforeEach, expect, test, vi } from "vitest";
import { fakeBrowser } from "wxt/testing";
import { clearEntries, loadEntries } from "../lib/history";
import type { CheckRequest } from "../lib/messages";
import { saveSettings, DEFAULTS } from "../lib/settings";
import { type Outcome, UNKNOWN, unavailable } from "../lib/verdict";
import { record } from "../lib/worker/recorder";
import { classified, verdict } from "./examples";

const PAGE = "https://p.example/news?a=b";
const request: CheckRequest = { kind: "check-url", url: "https://x.example/a.jpg" };
const toPage = vi.fn<(...facts: unknown[]) => Promise<string | undefined>>();

beforeEach(async () => {
  await clearEntries();
  toPage.mockReset().mockResolvedValue(undefined);
  Object.assign(fakeBrowser.tabs, { sendMessage: toPage });
});

const recordFrom = (tab: object, outcome: Outcome = classified(), about?: CheckRequest) =>
  record(about ?? request, outcome, { tab: { id: 7, ...tab } as never, frameId: 2, url: PAGE });

test("a verdict is kept with the time, the page and the image's address", async () => {
  await recordFrom({});
  const [entry] = await loadEntries();
  expect(entry).toMatchObject({ url: "https://x.example/a.jpg", page: PAGE, outcome: { verdict: { label: "ai" } } });
  expect(Math.abs(entry!.time - Date.now())).toBeLessThan(5000);
});

test.each([
  ["about:srcdoc", "https://p.example", "https://p.example"],
  ["about:srcdoc", "null", ""],
])("a frame at %s of the origin %s counts as the page %j", async (url, origin, page) => {
  await record(request, classified(), { tab: { id: 7 } as never, url, origin });
  expect((await loadEntries())[0]!.page).toBe(page);
});

test("the page itself is asked for the small picture, in the frame that shows the image", async () => {
  toPage.mockResolvedValue("data:image/webp;base64,AAAA");
  await recordFrom({});
  const message = { kind: "get-thumbnail", url: "https://x.example/a.jpg", hasBadge: true };
  expect(toPage).toHaveBeenCalledExactlyOnceWith(7, message, { frameId: 2 });
  expect((await loadEntries())[0]!.thumbnail).toBe("data:image/webp;base64,AAAA");
});

test("of images without a sign of AI no picture is drawn before the history is opened", async () => {
  await recordFrom({}, classified({ label: "real" }));
  expect(toPage).not.toHaveBeenCalled();
  expect((await loadEntries())[0]).toMatchObject({ shownIn: { tab: 7, frame: 2 } });
});

test("of an image that the user has checked there is a picture in any case", async () => {
  const url = "https://x.example/a.jpg";
  await recordFrom({}, classified({ label: "real" }), { kind: "check-now", url, again: false });
  const message = { kind: "get-thumbnail", url, hasBadge: false };
  expect(toPage).toHaveBeenCalledExactlyOnceWith(7, message, { frameId: 2 });
});

test("a page that is gone leaves an entry without a picture", async () => {
  toPage.mockRejectedValue(new Error("Receiving end does not exist."));
  await recordFrom({});
  expect(await loadEntries()).toHaveLength(1);
});

test("an image without an address is known by its hash", async () => {
  vi.stubGlobal("createImageBitmap", () => Promise.reject(new Error("no image")));
  const image = { ...verdict().image, sha256: "cd".repeat(32) };
  const bytes: CheckRequest = { kind: "check-bytes-now", data: "data:,x", again: false };
  await recordFrom({}, classified({ image }), bytes);
  expect((await loadEntries())[0]!.url).toBe(`sha256:${"cd".repeat(32)}`);
  await recordFrom({}, unavailable("corrupt_image"), bytes);
  expect(await loadEntries()).toHaveLength(1);
  vi.unstubAllGlobals();
});

test("a failure of the image is kept", async () => {
  await recordFrom({}, unavailable("corrupt_image"));
  expect(await loadEntries()).toHaveLength(1);
});

const down: Outcome = {
  state: "unavailable",
  failure: { code: "server_unreachable", detail: "", retryAt: 1 },
};

test.each([
  ["a private window", { incognito: true }, classified()],
  ["a server in trouble", {}, down],
  ["a check that nobody waits for any more", {}, unavailable("interrupted")],
  ["an image that is not known yet", {}, UNKNOWN],
])("%s leaves nothing", async (_name, tab, outcome) => {
  await recordFrom(tab, outcome);
  expect(await loadEntries()).toEqual([]);
  expect(toPage).not.toHaveBeenCalled();
});

test("nothing is kept where the user does not want it", async () => {
  await saveSettings({ ...DEFAULTS, history: false });
  await recordFrom({});
  expect(await loadEntries()).toEqual([]);
});
