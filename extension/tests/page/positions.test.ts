import { beforeEach, expect, test } from "vitest";
import {
  badgeAnchor,
  cardCorner,
  Clips,
  isCovered,
  middleOf,
} from "../../lib/page/positions";
import { attach, box, layOut, makeImage } from "./layout";

beforeEach(() => {
  document.body.innerHTML = "";
});

/** An image in nested elements of these styles, outermost first. */
function nest(...styles: string[]): { image: HTMLImageElement; elements: HTMLElement[] } {
  const elements = styles.map((style) => {
    const element = document.createElement("div");
    element.style.cssText = style;
    return element;
  });
  const image = makeImage();
  elements.reduce<HTMLElement>(
    (parent, element) => (parent.append(element), element),
    document.body,
  );
  (elements.at(-1) ?? document.body).append(image);
  return { image, elements };
}

/** The part of an image that is not cut off. */
function visiblePart(image: Element) {
  return new Clips().visiblePart(image, image.getBoundingClientRect());
}

test.each([
  ["top-start", false, { x: 108, y: 58 }, { x: 148, y: 71 }],
  ["top-start", true, { x: 392, y: 58 }, { x: 352, y: 71 }],
  ["top-end", false, { x: 392, y: 58 }, { x: 352, y: 71 }],
  ["top-end", true, { x: 108, y: 58 }, { x: 148, y: 71 }],
  ["bottom-start", false, { x: 108, y: 242 }, { x: 148, y: 229 }],
  ["bottom-end", false, { x: 392, y: 242 }, { x: 352, y: 229 }],
] as const)("a badge lies in the %s corner, right to left: %s", (corner, rtl, point, middle) => {
  const anchor = badgeAnchor(box(100, 50, 300, 200), corner, rtl)!;
  expect(anchor).toMatchObject(point);
  expect(middleOf(anchor, { width: 80, height: 26 })).toEqual(middle);
});

test("an image of which only a sliver is seen has no badge", () => {
  expect(badgeAnchor(box(0, 0, 300, 40), "top-start", false)).toBeUndefined();
  expect(badgeAnchor(box(0, 0, 20, 200), "top-start", false)).toBeUndefined();
  expect(badgeAnchor(box(0, 0, -20, 200), "top-start", false)).toBeUndefined();
});

test("an image is seen as far as what scrolls around it lets it be", () => {
  const { image, elements } = nest("overflow: hidden", "", "overflow: auto");
  layOut(image, -100, 10, 300, 200);
  layOut(elements[0]!, 0, 0, 150, 500);
  layOut(elements[2]!, 0, 20, 400, 100);
  expect(visiblePart(image)).toEqual(box(0, 20, 150, 100));
});

test("an image in a shadow root is cut off by what is around its host", () => {
  const { elements } = nest("overflow: hidden", "");
  const root = attach(elements[1]!, "<p style='overflow: clip'></p>");
  const image = makeImage();
  root.querySelector("p")!.append(image);
  layOut(elements[0]!, 0, 0, 150, 500);
  layOut(root.querySelector("p")!, 0, 0, 400, 100);
  expect(visiblePart(image)).toEqual(box(0, 0, 150, 100));
});

test("what is fixed to the viewport is not cut off by what is around it", () => {
  const { image, elements } = nest("overflow: hidden", "position: fixed", "");
  layOut(elements[0]!, 0, 0, 10, 10);
  expect(visiblePart(image)).toMatchObject(box(0, 0, 300, 200));
});

const viewport = { width: 1000, height: 800 };
const card = { width: 360, height: 400 };

test.each([
  ["beside the image", box(100, 100, 300, 200), { x: 412, y: 100 }],
  ["before it, at the right edge", box(600, 100, 300, 200), { x: 228, y: 100 }],
  ["below it, where it is wide", box(100, 0, 800, 200), { x: 100, y: 212 }],
  ["over it, where it fills the view", box(0, 0, 1000, 800), { x: 8 + 4, y: 8 + 4 }],
  ["in view, for an image below", box(100, 700, 300, 200), { x: 412, y: 388 }],
  ["in view, for an image above", box(100, -150, 300, 200), { x: 412, y: 12 }],
])("a card is %s", (_name, about, corner) => {
  expect(cardCorner(about, card, viewport)).toEqual(corner);
});

test("a card larger than the view keeps its beginning in view", () => {
  const corner = cardCorner(box(0, 0, 50, 50), card, { width: 300, height: 200 });
  expect(corner).toEqual({ x: 12, y: 12 });
});

test.each([
  ["a bar that sticks", "position: sticky", true],
  ["a window over the page", "position: fixed", true],
  ["a caption laid over the image", "position: absolute", false],
])("%s covers a badge: %s", (_name, style, covered) => {
  const { image, elements } = nest("");
  const over = document.createElement("div");
  over.style.cssText = style;
  elements[0]!.append(over);
  expect(isCovered(image, [over, image])).toBe(covered);
});

test("an image within a window of the page is not covered by that window", () => {
  const { image, elements } = nest("position: fixed", "");
  expect(isCovered(image, [image, elements[1]!, elements[0]!])).toBe(false);
});

test("an image in a shadow root is not covered by the window around its host", () => {
  const { elements } = nest("position: fixed", "");
  const root = attach(elements[1]!, "");
  const image = makeImage();
  root.append(image);
  expect(isCovered(image, [image, elements[1]!, elements[0]!])).toBe(false);
});

test("a bar in a shadow root covers an image elsewhere", () => {
  const { image } = nest("");
  const host = document.createElement("div");
  document.body.append(host);
  const root = attach(host, "<p style='position: sticky'></p>");
  expect(isCovered(image, [root.querySelector("p")!, host, image])).toBe(true);
});

test("nothing covers an image outside the view", () => {
  const { image } = nest("");
  expect(isCovered(image, [])).toBe(false);
});
