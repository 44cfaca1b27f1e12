import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { measure } from "../../lib/page/natural";
import { nameOf, picturesOf } from "../../lib/page/picture";
import { fakeImages, layOut, makeImage, styled } from "./layout";

const A = "https://x.example/a.jpg";

beforeEach(() => {
  document.body.innerHTML = "";
  fakeImages({ [A]: [600, 400], "https://x.example/tall.jpg": [100, 4000] });
});

afterEach(() => {
  vi.unstubAllGlobals();
});

/** The element with this markup, of 300 × 200 pixels. */
function element(markup: string): Element {
  document.body.innerHTML = markup;
  const made = document.body.querySelector(".this") ?? document.body.firstElementChild!;
  layOut(made, 0, 0, 300, 200);
  // happy-dom has no such property.
  if (made.localName === "video") Object.assign(made, { poster: made.getAttribute("poster") ?? "" });
  return made;
}

const urlsOf = (shown: Element) => [...picturesOf(shown)].map(({ url }) => url);

test("an image tells its own size, the shown one, and the address of its largest version", () => {
  const image = makeImage({ src: A });
  image.srcset = `${A} 1x, https://x.example/large.jpg 2x`;
  expect([...picturesOf(image)]).toEqual([
    {
      url: "https://x.example/large.jpg",
      shownUrl: A,
      natural: { width: 600, height: 400 },
      shown: { width: 300, height: 200 },
    },
  ]);
});

test("a largest version that is a drawing is left for the one that is shown", () => {
  const image = makeImage({ src: A });
  image.srcset = `${A} 1x, https://x.example/large.svg 2x`;
  expect(urlsOf(image)).toEqual([A]);
});

test.each([
  ["an image button", `<input type="image" src="${A}">`],
  ["a video's poster", `<video poster="${A}"></video>`],
  ["an image in a drawing", `<svg><image class="this" href="${A}" /></svg>`],
])("%s is a picture, whose size is known once it is measured", async (_name, markup) => {
  const made = element(markup);
  const picture = { url: A, shownUrl: A, shown: { width: 300, height: 200 } };
  expect([...picturesOf(made)]).toMatchObject([picture]);
  await measure(A);
  expect([...picturesOf(made)]).toEqual([{ ...picture, natural: { width: 600, height: 400 } }]);
});

test.each([
  ["a text field", '<input type="text" src="https://x.example/a.jpg">'],
  ["a video without a poster", "<video></video>"],
  ["an element in a drawing", '<svg><image class="this" href="https://[" /></svg>'],
  ["a drawing", '<input type="image" src="https://x.example/a.svg">'],
  ["plain text", "<p>Text</p>"],
])("%s is no picture", (_name, markup) => {
  expect(urlsOf(element(markup))).toEqual([]);
});

test("a video that plays or has played shows no poster", () => {
  const video = element(`<video poster="${A}"></video>`);
  Object.defineProperty(video, "currentTime", { value: 3 });
  expect(urlsOf(video)).toEqual([]);
});

test("a background is a picture of the size in which it is drawn", async () => {
  const made = element("<div></div>");
  styled(made, { backgroundImage: `url("${A}")`, backgroundSize: "270px" });
  await measure(A);
  expect([...picturesOf(made)]).toMatchObject([{ url: A, shown: { width: 270, height: 180 } }]);
});

test("a background that is drawn larger than its box is as large as the box", async () => {
  const made = element("<div></div>");
  styled(made, { backgroundImage: `url("${A}")`, backgroundRepeat: "no-repeat" });
  await measure(A);
  expect([...picturesOf(made)]).toMatchObject([{ shown: { width: 300, height: 200 } }]);
});

test("a sheet of small images is no picture, nor is a drawing", async () => {
  const sheet = "https://x.example/tall.jpg";
  const made = element("<div></div>");
  styled(made, {
    backgroundImage: `url("${sheet}"), url("https://x.example/a.svg")`,
    backgroundPositionY: "-400px",
  });
  await measure(sheet);
  expect(urlsOf(made)).toEqual([]);
});

test("an image over its own background has both; while it loads, neither", () => {
  const image = makeImage({ src: "data:image/gif;base64,AAAA", natural: [1, 1] });
  styled(image, { backgroundImage: `url("${A}")` });
  expect(urlsOf(image)).toEqual(["data:image/gif;base64,AAAA", A]);
  Object.defineProperty(image, "complete", { value: false });
  expect(urlsOf(image)).toEqual([]);
});

test.each([
  ['<img alt=" A cat " title="Title">', "A cat"],
  ['<div aria-label="A dog"></div>', "A dog"],
  ['<img alt="" title="Title">', "Title"],
  ["<p>Text</p>", ""],
])("what %s is called", (markup, name) => {
  expect(nameOf(element(markup))).toBe(name);
});
