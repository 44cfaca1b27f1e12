import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { applySettings } from "../../lib/page/apply";
import { saveSettings } from "../../lib/settings";

const page = { setBadges: vi.fn(), setLook: vi.fn(), localise: vi.fn() };
let stop: () => void;

beforeEach(() => {
  vi.resetAllMocks();
  vi.useFakeTimers();
  vi.stubGlobal("location", new URL("https://news.example/"));
});

afterEach(() => {
  stop();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

async function start(): Promise<void> {
  stop = applySettings(page);
  await vi.advanceTimersByTimeAsync(0);
}

test("settings apply at once, and after each change", async () => {
  await start();
  expect(page.setBadges).toHaveBeenLastCalledWith(true);
  await saveSettings({ mode: "manual", corner: "bottom-end", flagged: "blur" });
  await vi.advanceTimersByTimeAsync(0);
  expect(page.setBadges).toHaveBeenLastCalledWith(false);
  expect(page.setLook.mock.lastCall![0]).toMatchObject({ corner: "bottom-end", flagged: "blur" });
});

test("a pause ends by itself", async () => {
  await saveSettings({ pausedUntil: Date.now() + 3_600_000 });
  await start();
  expect(page.setBadges).toHaveBeenLastCalledWith(false);
  await vi.advanceTimersByTimeAsync(3_599_000);
  expect(page.setBadges).toHaveBeenLastCalledWith(false);
  await vi.advanceTimersByTimeAsync(2000);
  expect(page.setBadges).toHaveBeenLastCalledWith(true);
});

test("a pause without end lasts until the user resumes", async () => {
  await saveSettings({ pausedUntil: Number.MAX_SAFE_INTEGER });
  await start();
  await vi.advanceTimersByTimeAsync(100_000_000);
  expect(page.setBadges.mock.calls).toEqual([[false]]);
  await saveSettings({ pausedUntil: 0 });
  await vi.advanceTimersByTimeAsync(0);
  expect(page.setBadges).toHaveBeenLastCalledWith(true);
});

test("settings that changed while the browser kept the page are applied when it is shown again", async () => {
  await start();
  const show = async (persisted: boolean) => {
    page.setBadges.mockClear();
    window.dispatchEvent(Object.assign(new Event("pageshow"), { persisted }));
    await vi.advanceTimersByTimeAsync(0);
    return page.setBadges.mock.calls;
  };
  expect(await show(true)).toEqual([[false], [true]]);
  expect(await show(false)).toEqual([]);
});

test("after the end nothing is applied", async () => {
  await saveSettings({ pausedUntil: Date.now() + 1000 });
  await start();
  stop();
  page.setBadges.mockClear();
  await vi.advanceTimersByTimeAsync(5000);
  await saveSettings({ mode: "manual" });
  await vi.advanceTimersByTimeAsync(0);
  expect(page.setBadges).not.toHaveBeenCalled();
});
