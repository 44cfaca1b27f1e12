import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Badge } from "../../lib/page/badge";
import { type Place, Sight } from "../../lib/page/sight";
import { box, makeImage } from "./layout";

let covered: boolean;
let now: number;
const elementsFromPoint = vi.fn();

beforeEach(() => {
  covered = false;
  now = 1000;
  vi.spyOn(performance, "now").mockImplementation(() => now);
  // A look takes long, so that a tick has time for one.
  elementsFromPoint.mockReset().mockImplementation(() => {
    now += 2;
    return covered ? [bar, document.body] : [document.body];
  });
  document.elementsFromPoint = elementsFromPoint;
});

afterEach(() => vi.restoreAllMocks());

const bar = document.createElement("div");
bar.style.position = "fixed";

function placeAt(left: number): Place {
  document.body.append(bar);
  const url = `https://x.example/${left}.jpg`;
  const badge = new Badge(makeImage({ src: url }), url);
  const anchor = { x: left, y: 0, right: false, bottom: false };
  return { badge, url, box: box(left, 0, 300, 200), anchor, middle: { x: left + 10, y: 10 } };
}

test("the browser is asked again only about a badge that has moved", () => {
  const sight = new Sight(() => "opaque");
  const [one, other] = [placeAt(0), placeAt(400)];
  expect(sight.seen([one, other], false)).toEqual([one, other]);
  sight.seen([one, { ...other, middle: { x: 420, y: 10 } }], false);
  expect(elementsFromPoint.mock.calls.map(([x]) => x)).toEqual([10, 410, 420]);
});

test("after a change of the page all are looked at, but not all the time", () => {
  const sight = new Sight(() => "opaque");
  const places = [placeAt(0), placeAt(400)];
  sight.seen(places, false);
  covered = true;
  sight.expire();
  expect(sight.seen(places, false)).toEqual([]);
  covered = false;
  sight.expire();
  expect(sight.seen(places, false)).toEqual([]);
  now += 100;
  expect(sight.seen(places, false)).toEqual(places);
});

test("more knowledge of an image makes it be looked at again only where it is not seen", () => {
  const sight = new Sight(() => "opaque");
  const [one, other] = [placeAt(0), placeAt(400)];
  sight.seen([one, other], false);
  covered = true;
  sight.seen([{ ...other, middle: { x: 420, y: 10 } }], false);
  elementsFromPoint.mockClear();
  for (const { badge } of [one, other]) sight.learned(badge);
  sight.seen([one, { ...other, middle: { x: 420, y: 10 } }], false);
  expect(elementsFromPoint.mock.calls.map(([x]) => x)).toEqual([420]);
});

test("what is outside of the viewport is not asked about", () => {
  const sight = new Sight(() => "opaque");
  const below = { ...placeAt(0), middle: { x: 10, y: innerHeight + 10 } };
  expect(sight.seen([below], false)).toEqual([below]);
  expect(elementsFromPoint).not.toHaveBeenCalled();
});

test("what no event tells of is noticed in the ticks, one image after the other", () => {
  const sight = new Sight(() => "opaque");
  const places = [placeAt(0), placeAt(400)];
  sight.seen(places, false);
  covered = true;
  expect(sight.seen(places, true)).toEqual([places[1]]);
  expect(sight.seen(places, true)).toEqual([]);
});
