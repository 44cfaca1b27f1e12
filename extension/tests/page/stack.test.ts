import { afterEach, expect, test, vi } from "vitest";
import { measure } from "../../lib/page/natural";
import { hasSmallerCopy, isSeen } from "../../lib/page/stack";
import type { Transparency } from "../../lib/page/transparency";
import { box, fakeImages, type ImageFacts, layOut, makeImage, styled } from "./layout";

afterEach(() => {
  vi.unstubAllGlobals();
});

interface Layer extends ImageFacts {
  is?: Transparency;
  /** Where it lies; its size is 300 × 200 unless told. */
  at?: [left: number, top: number];
}

/** Which images of a stack are seen. The uppermost is first. */
function seenOf(...layers: Layer[]): boolean[] {
  const images: Element[] = layers.map(({ at = [0, 0], shown = [300, 200], ...facts }, level) => {
    const image = makeImage({ shown, src: `https://x.example/${level}.jpg`, ...facts });
    layOut(image, ...at, ...shown);
    return image;
  });
  const page = [document.createElement("figure"), document.body];
  return images.map((image) =>
    isSeen(image, [...images, ...page], ({ element }) => layers[images.indexOf(element)]!.is ?? "unknown"),
  );
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

test("it does not matter which of two copies is seen", () => {
  const src = "https://x.example/same.jpg";
  expect(seenOf({ is: "unknown", src }, { is: "unknown", src })).toEqual([true, false]);
});

const BACKGROUND = 'url("https://x.example/background.jpg")';

/** Which are seen of an image and the background of the element around it. */
function seenOver(backgroundImage: string, is: Transparency): boolean[] {
  const [image, around] = [makeImage(), document.createElement("div")];
  styled(around, { backgroundImage, backgroundSize: "cover" });
  layOut(around, 0, 0, 300, 200);
  const transparencyOf = () => is;
  return [image, around].map((each) => isSeen(each, [image, around, document.body], transparencyOf));
}

test.each([
  ["clear", [false, true]],
  ["unknown", [true, false]],
  ["opaque", [true, false]],
] as const)("an image that is %s and its background are seen: %j", (is, seen) => {
  expect(seenOver(BACKGROUND, is)).toEqual(seen);
});

test("a background without a picture hides nothing and is not hidden", () => {
  expect(seenOver("linear-gradient(red, blue)", "clear")[0]).toBe(true);
  expect(seenOver('url("data:image/svg+xml,drawing")', "clear")[0]).toBe(true);
});

test("an icon that is the background of a link over a photo hides nothing", async () => {
  const [link, photo, src] = [document.createElement("a"), makeImage(), "https://x.example/play.png"];
  fakeImages({ [src]: [128, 128] });
  await measure(src);
  const icon = { backgroundImage: `url("${src}")`, backgroundRepeat: "no-repeat" };
  styled(link, { ...icon, backgroundSize: "48px" });
  layOut(link, 0, 0, 300, 200);
  expect(isSeen(photo, [link, photo], () => "opaque")).toBe(true);
});

test("a picture that the pointer does not reach counts as the uppermost", () => {
  const [photo, clear] = [makeImage(), makeImage({ src: "https://x.example/clear.png" })];
  expect(isSeen(clear, [photo], () => "clear")).toBe(false);
  expect(isSeen(photo, [photo], () => "opaque")).toBe(true);
});

test("of the same image shown twice at a place, the smaller one is kept", () => {
  const [url, other] = ["https://x.example/a.jpg", "https://x.example/b.jpg"];
  const shown = [
    { url, box: box(0, 0, 400, 300) },
    { url, box: box(50, 50, 300, 200) },
    { url, box: box(500, 0, 400, 300) },
    { url: other, box: box(60, 60, 100, 100) },
    { url: other, box: box(60, 60, 100, 100) },
  ];
  expect(shown.map((each) => hasSmallerCopy(each, shown))).toEqual([true, false, false, false, true]);
});
