import { expect, test } from "vitest";
import { isSeen } from "../../lib/page/stack";
import type { Transparency } from "../../lib/page/transparency";
import { type ImageFacts, layOut, makeImage } from "./layout";

interface Layer extends ImageFacts {
  is?: Transparency;
  /** Where it lies; its size is 300 × 200 unless told. */
  at?: [left: number, top: number];
}

/** Which images of a stack are seen. The uppermost is first. */
function seenOf(...layers: Layer[]): boolean[] {
  const images = layers.map(({ at = [0, 0], shown = [300, 200], ...facts }) => {
    const image = makeImage({ shown, ...facts });
    layOut(image, ...at, ...shown);
    return image;
  });
  const transparencyOf = (image: HTMLImageElement) => layers[images.indexOf(image)]!.is ?? "unknown";
  const page = [document.createElement("figure"), document.body];
  return images.map((image) => isSeen(image, [...images, ...page], transparencyOf));
}

const PHOTO: Layer = { is: "opaque" };

test("an image alone is seen, however transparent", () => {
  expect(seenOf({ is: "clear" })).toEqual([true]);
  expect(seenOf({ is: "unknown" })).toEqual([true]);
});

test("below a transparent image the photo is seen, and the other is not", () => {
  expect(seenOf({ is: "clear" }, PHOTO)).toEqual([false, true]);
  expect(seenOf({ is: "clear" }, { is: "clear" }, PHOTO)).toEqual([false, false, true]);
});

test("below an opaque image nothing is seen", () => {
  expect(seenOf(PHOTO, PHOTO)).toEqual([true, false]);
  expect(seenOf({ is: "clear" }, PHOTO, PHOTO)).toEqual([false, true, false]);
});

test("where nobody knows which of two is seen, neither gets a verdict", () => {
  expect(seenOf({ is: "unknown" }, PHOTO)).toEqual([false, false]);
});

test("a tiny file that is stretched over a photo hides nothing", () => {
  expect(seenOf({ natural: [1, 1] }, PHOTO)[1]).toBe(true);
});

test("a small image on a large one, and one beside another, have nothing to do with each other", () => {
  expect(seenOf({ is: "unknown", shown: [100, 100] }, PHOTO)).toEqual([true, true]);
  expect(seenOf({ is: "unknown", at: [280, 0] }, PHOTO)).toEqual([true, true]);
});

test.each([
  ["clear", "url(https://x.example/photo.jpg)", false],
  ["unknown", "url(https://x.example/preview.jpg)", true],
  ["opaque", "url(https://x.example/photo.jpg)", true],
  ["clear", "linear-gradient(red, blue)", true],
] as const)("an image that is %s over a background %s is seen: %s", (is, background, seen) => {
  const [image, below] = [makeImage(), document.createElement("div")];
  below.style.backgroundImage = background;
  layOut(below, 0, 0, 300, 200);
  document.body.append(below);
  expect(isSeen(image, [image, below, document.body], () => is)).toBe(seen);
});
