import { beforeEach, expect, test } from "vitest";
import { largestVersion } from "../../lib/page/srcset";

beforeEach(() => {
  document.body.innerHTML = "";
});

/** The largest version of an image with this markup, of which the browser shows one file. */
function largest(shown: string, markup: string): string {
  document.body.innerHTML = markup;
  const image = document.querySelector("img")!;
  Object.defineProperty(image, "currentSrc", { value: shown, configurable: true });
  Object.defineProperty(image, "baseURI", { value: "https://x.example/news/" });
  return largestVersion(image).replace("https://x.example/", "/");
}

const shown = "https://x.example/s.jpg";

test.each([
  ["widths", '<img src="https://x.example/s.jpg" srcset="/s.jpg 300w, /l.jpg 1200w, /m.jpg 600w">', "/l.jpg"],
  ["densities", '<img src="https://x.example/s.jpg" srcset="/m.jpg 1.5x, /l.jpg 2x">', "/l.jpg"],
  ["a list over lines", '<img srcset="/s.jpg\n300w,\n/l.jpg\n1200w">', "/l.jpg"],
  ["commas in addresses", '<img src="https://x.example/s.jpg" srcset="/s.jpg 1x, /l,w_9.jpg 2x">', "/l,w_9.jpg"],
  ["a relative address", '<img src="https://x.example/s.jpg" srcset="/s.jpg 1x, l.jpg 2x">', "/news/l.jpg"],
  ["a list that is smaller", '<img src="https://x.example/s.jpg" srcset="/t.jpg 0.5x">', "/s.jpg"],
  ["no list", '<img src="https://x.example/s.jpg">', "/s.jpg"],
  ["an address that is none", '<img src="https://x.example/s.jpg" srcset="https://[ 2x, /s.jpg 1x">', "/s.jpg"],
])("of an image with %s", (_name, markup, url) => {
  expect(largest(shown, markup)).toBe(url);
});

test("a list from which the browser did not choose says nothing about what is shown", () => {
  expect(largest(shown, '<img src="https://x.example/a.jpg" srcset="/b.jpg 2x">')).toBe("/s.jpg");
});

test("of a picture, only the source counts that the browser chose", () => {
  const markup = `<picture>
    <source media="(min-width: 9000px)" srcset="/wide.jpg 300w, /wide-large.jpg 9000w">
    <source type="image/webp" srcset="/s.jpg 300w, /l.jpg 900w">
    <img src="https://x.example/plain.jpg" srcset="/plain-large.jpg 4x">
  </picture>`;
  expect(largest(shown, markup)).toBe("/l.jpg");
  expect(largest("https://x.example/plain.jpg", markup)).toBe("/plain-large.jpg");
});
