import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Watcher } from "../../lib/page/watcher";
import {
  bringNear,
  FakeIntersectionObserver,
  fakeImages,
  fakeObservers,
  FakeResizeObserver,
  layOut,
  makeImage,
  resized,
  setImage,
} from "./layout";

let watcher: Watcher;
const found = vi.fn();
const lost = vi.fn();
const moved = vi.fn();

beforeEach(() => {
  fakeObservers();
  document.body.innerHTML = "";
  watcher = new Watcher({ found, lost, moved });
});

afterEach(() => {
  watcher.stop();
  vi.unstubAllGlobals();
  vi.clearAllMocks();
});

/** Put an element on the page, start, and scroll it near. */
function watch<Kind extends Element>(image: Kind): Kind {
  document.body.append(image);
  watcher.start();
  bringNear(image);
  return image;
}

/** Let mutations be observed, and a frame be drawn. */
const settled = () => new Promise<unknown>((resolve) => setTimeout(requestAnimationFrame, 0, resolve));

test("an image is found when it comes near, not before", () => {
  const image = makeImage();
  document.body.append(image);
  watcher.start();
  expect(found).not.toHaveBeenCalled();
  bringNear(image);
  expect(found).toHaveBeenCalledExactlyOnceWith(image, "https://x.example/a.jpg");
});

test.each([
  ["95 pixels wide", { shown: [95, 200] as [number, number] }],
  ["95 pixels high", { shown: [200, 95] as [number, number] }],
  ["a beacon blown up", { natural: [1, 1] as [number, number] }],
  ["still loading", { complete: false }],
  ["a drawing", { src: "https://x.example/a.svg" }],
  ["a drawing in its address", { src: "data:image/svg+xml,<svg/>" }],
  [
    "a placeholder in its address",
    { src: "data:image/png;base64,A", natural: [20, 15] as [number, number] },
  ],
  ["at an address with a password", { src: "https://me:secret@x.example/a.jpg" }],
  ["without an address", { src: "" }],
])("an image that is %s is left alone", (_name, facts) => {
  watch(makeImage(facts));
  expect(found).not.toHaveBeenCalled();
});

test("an image of 96 by 96 pixels is large enough", () => {
  watch(makeImage({ shown: [96, 96] }));
  expect(found).toHaveBeenCalledOnce();
});

test("the part of an address after # is of no concern", () => {
  const image = watch(makeImage({ src: "https://x.example/a.jpg#part" }));
  expect(found).toHaveBeenCalledWith(image, "https://x.example/a.jpg");
});

test.each(["data:image/png;base64,AAAA", "blob:https://x.example/1"])(
  "an image without an address on the web, %s, is found",
  (src) => {
    const image = watch(makeImage({ src }));
    expect(found).toHaveBeenCalledExactlyOnceWith(image, src);
  },
);

test("an image is found by the address of its largest version", () => {
  const image = makeImage();
  image.srcset = "https://x.example/a.jpg 1x, https://x.example/large.jpg 3x";
  watch(image);
  expect(found).toHaveBeenCalledExactlyOnceWith(image, "https://x.example/large.jpg");
});

/** An image button, whose file the watcher has to measure. */
function makeButton(src: string): HTMLInputElement {
  const button = document.createElement("input");
  button.type = "image";
  button.src = src;
  layOut(button, 0, 0, 300, 200);
  return button;
}

test("an element that does not tell its image's size is found when that is known", async () => {
  const src = "https://x.example/button.jpg";
  fakeImages({ [src]: [600, 400] });
  const button = watch(makeButton(src));
  expect(found).not.toHaveBeenCalled();
  await settled();
  expect(found).toHaveBeenCalledExactlyOnceWith(button, src);
});

test.each([
  ["too small", { "https://x.example/no.jpg": [16, 16] as [number, number] }],
  ["none", {}],
])("an element whose image proves to be %s is left alone", async (_name, images) => {
  fakeImages(images);
  const button = watch(makeButton(`https://x.example/${_name === "none" ? "none" : "no"}.jpg`));
  await settled();
  resized(button);
  await settled();
  expect(found).not.toHaveBeenCalled();
});

test("a video is found by its poster, until it plays", async () => {
  const poster = "https://x.example/poster.jpg";
  fakeImages({ [poster]: [600, 400] });
  const video = document.createElement("video");
  video.setAttribute("poster", poster);
  Object.assign(video, { poster });
  layOut(video, 0, 0, 300, 200);
  watch(video);
  await settled();
  expect(found).toHaveBeenCalledExactlyOnceWith(video, poster);
  await video.play();
  video.dispatchEvent(new Event("play"));
  await settled();
  expect(lost).toHaveBeenCalledExactlyOnceWith(video);
});

test("an image added later is found, wherever it lies in what was added", async () => {
  watcher.start();
  const image = makeImage();
  const article = document.createElement("article");
  article.append(image);
  document.body.append(article);
  await settled();
  bringNear(image);
  expect(found).toHaveBeenCalledOnce();
  expect(moved).toHaveBeenCalled();
});

test("a lazy image is found when it has loaded", async () => {
  const image = watch(makeImage({ complete: false }));
  setImage(image, {});
  image.dispatchEvent(new Event("load"));
  await settled();
  expect(found).toHaveBeenCalledOnce();
});

test("an image that shows another address is found again under it", async () => {
  const image = watch(makeImage());
  setImage(image, { src: "https://x.example/b.webp" });
  image.dispatchEvent(new Event("load"));
  await settled();
  expect(found).toHaveBeenLastCalledWith(image, "https://x.example/b.webp");
});

test("a changed source of a picture makes its image be looked at again", async () => {
  const picture = document.createElement("picture");
  const source = document.createElement("source");
  const image = makeImage();
  picture.append(source, image);
  document.body.append(picture);
  watcher.start();
  bringNear(image);
  setImage(image, { src: "https://x.example/dark.jpg" });
  source.setAttribute("srcset", "dark.jpg");
  await settled();
  expect(found).toHaveBeenLastCalledWith(image, "https://x.example/dark.jpg");
});

test("an image that grows large enough is found, and lost when it shrinks", () => {
  const image = watch(makeImage({ shown: [50, 50] }));
  setImage(image, { shown: [300, 200] });
  resized(image);
  expect(found).toHaveBeenCalledOnce();
  setImage(image, { shown: [50, 50] });
  resized(image);
  expect(lost).toHaveBeenCalledExactlyOnceWith(image);
});

test("an image that is scrolled away is lost, and found again when it returns", () => {
  const image = watch(makeImage());
  bringNear(image, false);
  expect(lost).toHaveBeenCalledExactlyOnceWith(image);
  bringNear(image);
  expect(found).toHaveBeenCalledTimes(2);
});

test("an image that is removed is lost; one that is only moved is not", async () => {
  const image = watch(makeImage());
  const other = document.createElement("div");
  document.body.append(other);
  other.append(image);
  await settled();
  expect(lost).not.toHaveBeenCalled();
  other.remove();
  await settled();
  expect(lost).toHaveBeenCalledExactlyOnceWith(image);
});

test("an image that is removed and comes back at once is found again", async () => {
  const image = watch(makeImage());
  image.remove();
  await settled();
  document.body.append(image);
  await settled();
  bringNear(image);
  expect(found).toHaveBeenCalledTimes(2);
});

test("many images are measured together before anything is told", () => {
  const images = Array.from({ length: 3 }, () => makeImage());
  document.body.append(...images);
  watcher.start();
  const order: string[] = [];
  for (const image of images) {
    const measure = image.getBoundingClientRect;
    image.getBoundingClientRect = () => (order.push("measured"), measure());
  }
  found.mockImplementation(() => order.push("told"));
  FakeIntersectionObserver.last.tell(
    images.map((target) => ({ target, isIntersecting: true })),
  );
  expect(order.lastIndexOf("measured")).toBeLessThan(order.indexOf("told"));
  found.mockReset();
});

test("of images that are gone, nothing is kept", async () => {
  watcher.start();
  for (let round = 0; round < 3; round++) {
    const images = Array.from({ length: 100 }, () => makeImage());
    document.body.append(...images);
    await settled();
    images.forEach((image) => bringNear(image));
    images.forEach((image) => image.remove());
    await settled();
  }
  expect(found).toHaveBeenCalledTimes(300);
  expect(lost).toHaveBeenCalledTimes(300);
  expect(FakeIntersectionObserver.last.targets.size).toBe(0);
  expect(FakeResizeObserver.last.targets.size).toBe(0);
});

test("when it stops, all images are lost and nothing is found any more", async () => {
  const image = watch(makeImage());
  watcher.stop();
  expect(lost).toHaveBeenCalledExactlyOnceWith(image);
  const later = makeImage();
  document.body.append(later);
  await settled();
  bringNear(later);
  image.dispatchEvent(new Event("load"));
  expect(found).toHaveBeenCalledOnce();
});
