import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { IdleVisits } from "../../lib/page/idle";
import { attach, fakeObservers } from "./layout";

const visit = vi.fn<(element: Element) => ShadowRoot | null>();
let visits: IdleVisits;

beforeEach(() => {
  vi.useFakeTimers();
  fakeObservers();
  visit.mockReset().mockReturnValue(null);
  visits = new IdleVisits(visit);
});

afterEach(() => {
  visits.stop();
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

const names = () => visit.mock.calls.map(([{ localName }]) => localName);

function write(markup: string): Element {
  document.body.innerHTML = markup;
  return document.body.firstElementChild!;
}

test("a part is visited later, with all that is in it", () => {
  visits.add(write("<main><p><b></b></p><i></i></main>"), true);
  expect(visit).not.toHaveBeenCalled();
  vi.runAllTimers();
  expect(names()).toEqual(["main", "p", "b", "i"]);
});

test("one element is visited alone, unless its part is to be visited, too", () => {
  const main = write("<main><p></p></main>");
  visits.add(main, false);
  vi.runAllTimers();
  expect(names()).toEqual(["main"]);
  visits.add(main, true);
  visits.add(main, false);
  vi.runAllTimers();
  expect(names()).toEqual(["main", "main", "p"]);
});

test("an element is visited once, however many parts it is in", () => {
  const main = write("<main><p></p></main>");
  visits.add(main.firstElementChild!, true);
  visits.add(main, true);
  vi.runAllTimers();
  expect(names()).toEqual(["p", "main"]);
});

test("what was removed meanwhile is not visited", () => {
  const main = write("<main><p></p></main>");
  visits.add(main, true);
  main.remove();
  vi.runAllTimers();
  expect(visit).not.toHaveBeenCalled();
});

test("a shadow root is visited with its host", () => {
  const main = write("<main><div></div></main>");
  const root = attach(main.firstElementChild!, "<b></b>");
  visit.mockImplementation(({ localName }) => (localName === "div" ? root : null));
  visits.add(main, true);
  vi.runAllTimers();
  expect(names()).toEqual(["main", "div", "b"]);
});

/** Let each visit take so many milliseconds. */
function visitsTake(milliseconds: number): void {
  let now = 0;
  vi.spyOn(performance, "now").mockImplementation(() => now);
  visit.mockImplementation(() => {
    now += milliseconds;
    return null;
  });
}

test("much is visited in pieces, and the page gets its turn between them", () => {
  visitsTake(1);
  visits.add(write(`<main>${"<p></p>".repeat(299)}</main>`), true);
  vi.advanceTimersToNextTimer(); // The pause is over.
  vi.advanceTimersToNextTimer();
  expect(visit.mock.calls.length).toBeLessThan(150);
  vi.runAllTimers();
  expect(visit).toHaveBeenCalledTimes(300);
});

test("after long visits the pause is ten times as long", () => {
  visitsTake(50);
  const main = write("<main></main>");
  visits.add(main, true);
  vi.runAllTimers();
  visits.add(main, true);
  vi.advanceTimersByTime(490);
  expect(visit).toHaveBeenCalledTimes(1);
  vi.runAllTimers();
  expect(visit).toHaveBeenCalledTimes(2);
});

test("when it stops, nothing more is visited", () => {
  visits.add(write("<main></main>"), true);
  visits.stop();
  vi.runAllTimers();
  expect(visit).not.toHaveBeenCalled();
});
