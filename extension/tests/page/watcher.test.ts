import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Watcher } from "../../lib/page/watcher";
import { bringNear, fakeObservers, makeImage, resized, setImage } from "./layout";

let watcher: Watcher;
const found = vi.fn();
const lost = vi.fn();
const moved = vi.fn();

beforeEach(() => {
  fakeObservers();
  document.body.innerHTML = "";
  watcher = new Watcher(document, { found, lost, moved });
});

afterEach(() => {
  watcher.stop();
  vi.clearAllMocks();
});

/** Put an image on the page, start, and scroll it near. */
function watch(image: HTMLImageElement): HTMLImageElement {
  document.body.append(image);
  watcher.start();
  bringNear(image);
  return image;
}

/** Let the mutations be observed. */
const settled = () => new Promise((resolve) => setTimeout(resolve));

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
  ["a data: URL", { src: "data:image/png;base64,AAAA" }],
  ["a blob: URL", { src: "blob:https://x.example/1" }],
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
  const image = watch(makeImage({ src: "https://x.example/a.svg#part" }));
  expect(found).toHaveBeenCalledWith(image, "https://x.example/a.svg");
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

test("a lazy image is found when it has loaded", () => {
  const image = watch(makeImage({ complete: false }));
  setImage(image, {});
  image.dispatchEvent(new Event("load"));
  expect(found).toHaveBeenCalledOnce();
});

test("an image that shows another address is found again under it", () => {
  const image = watch(makeImage());
  setImage(image, { src: "https://x.example/b.webp" });
  image.dispatchEvent(new Event("load"));
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
