import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Retry } from "../../lib/page/retry";

const run = vi.fn();
let retry: Retry;
let hidden = false;

beforeEach(() => {
  vi.useFakeTimers();
  run.mockReset();
  retry = new Retry(run);
  hidden = false;
  Object.defineProperty(document, "hidden", { get: () => hidden, configurable: true });
});

afterEach(() => {
  retry.stop();
  vi.useRealTimers();
});

function setHidden(value: boolean): void {
  hidden = value;
  document.dispatchEvent(new Event("visibilitychange"));
}

test("many badges with the same failure make one try", () => {
  const time = Date.now() + 5000;
  for (let badge = 0; badge < 50; badge++) retry.at(time);
  vi.advanceTimersByTime(4999);
  expect(run).not.toHaveBeenCalled();
  vi.advanceTimersByTime(60_000);
  expect(run).toHaveBeenCalledOnce();
});

test("the latest failure sets the time", () => {
  retry.at(Date.now() + 5000);
  retry.at(Date.now() + 20_000);
  vi.advanceTimersByTime(19_000);
  expect(run).not.toHaveBeenCalled();
  vi.advanceTimersByTime(2000);
  expect(run).toHaveBeenCalledOnce();
});

test("a hidden page tries when it is seen again, once", () => {
  setHidden(true);
  retry.now();
  retry.now();
  expect(run).not.toHaveBeenCalled();
  setHidden(false);
  setHidden(true);
  setHidden(false);
  expect(run).toHaveBeenCalledOnce();
});

test("a try that came early is not repeated at its time", () => {
  retry.at(Date.now() + 5000);
  retry.now();
  vi.advanceTimersByTime(10_000);
  expect(run).toHaveBeenCalledOnce();
});

test("after the end nothing is tried", () => {
  retry.at(Date.now() + 5000);
  retry.stop();
  setHidden(false);
  vi.advanceTimersByTime(10_000);
  expect(run).not.toHaveBeenCalled();
});
