import { beforeEach, expect, test, vi } from "vitest";
import { Tally } from "../../lib/page/tally";
import { UNKNOWN, unavailable } from "../../lib/verdict";
import { classified } from "../examples";
import { makeImage } from "./layout";

let tally: Tally;

beforeEach(() => {
  document.body.innerHTML = "";
  tally = new Tally();
});

function image(alt = ""): HTMLImageElement {
  const element = makeImage();
  element.alt = alt;
  document.body.append(element);
  return element;
}

test("images are counted by label, and the flagged ones listed", () => {
  const flagged = image("A cat");
  tally.note(flagged, "u1", undefined);
  tally.note(flagged, "https://x.example/1.jpg", classified());
  tally.note(image(), "u2", classified({ label: "real", probability: 0.1 }));
  tally.note(image(), "u3", classified({ label: "uncertain", probability: 0.5 }));
  tally.note(image(), "u4", unavailable("timeout"));
  tally.note(image(), "u5", undefined);
  tally.note(image(), "u6", UNKNOWN);
  const { counts, flagged: list } = tally.report();
  expect(counts).toEqual({ ai: 1, real: 1, uncertain: 1, unavailable: 1, unknown: 1, checking: 1 });
  const why = { probability: 0.93, decided_by: "pixels" };
  expect(list).toEqual([{ id: 1, url: "https://x.example/1.jpg", alt: "A cat", ...why }]);
  expect(tally.get(list[0]!.id)).toBe(flagged);
});

test("the list has names of any kind, and only addresses on the web", () => {
  const named = image();
  named.title = "A dog";
  tally.note(named, "data:image/png;base64,AAAA", classified());
  expect(tally.report().flagged).toMatchObject([{ url: "", alt: "A dog" }]);
});

test("an image that was removed counts no more, and does again if it is put back", () => {
  const element = image();
  tally.note(element, "u", classified());
  element.remove();
  expect(tally.report().counts.ai).toBe(0);
  expect(tally.report().flagged).toEqual([]);
  document.body.append(element);
  expect(tally.report().counts.ai).toBe(1);
});

test("what was forgotten does not count", () => {
  const element = image();
  tally.note(element, "u", classified());
  tally.forget(element);
  expect(tally.report().counts.ai).toBe(0);
  tally.note(element, "u", classified());
  tally.clear();
  expect(tally.report().counts.ai).toBe(0);
});

test("those who listen are told of each change until they stop", () => {
  const told = vi.fn();
  const stop = tally.onChange(told);
  const element = image();
  tally.note(element, "u", classified());
  tally.forget(element);
  expect(told).toHaveBeenCalledTimes(2);
  stop();
  tally.note(element, "u", classified());
  expect(told).toHaveBeenCalledTimes(2);
});
