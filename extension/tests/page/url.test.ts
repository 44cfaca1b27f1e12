import { expect, test } from "vitest";
import { isImageUrl, isWebUrl } from "../../lib/page/url";

test.each([
  ["https://x.example/a.jpg", true],
  ["HTTP://x.example", true],
  ["http://[::1]:8080/a?b@c#d@e", true],
  ["https://x.example/@user/a.jpg", true],
  ["https://me:secret@x.example/a.jpg", false],
  ["https://me@x.example", false],
  ["data:image/png;base64,AAAA", false],
  ["blob:https://x.example/1", false],
  ["file:///a.jpg", false],
  ["chrome-extension://abc/a.png", false],
  ["", false],
])("%s is an address on the web: %s", (address, web) => {
  expect(isWebUrl(address)).toBe(web);
});

test.each([
  ["https://x.example/a.jpg", true],
  ["https://x.example/a?file=b.svg", true],
  ["https://x.example/a.svg", false],
  ["https://x.example/A.SVGZ?b#c", false],
  ["https://me:secret@x.example/a.jpg", false],
  ["data:image/png;base64,AAAA", true],
  ["data:image/svg+xml,<svg/>", false],
  ["data:text/html,<p>", false],
  ["blob:https://x.example/1", true],
  ["file:///a.jpg", false],
  ["", false],
])("%s may be the address of an image to judge: %s", (address, image) => {
  expect(isImageUrl(address)).toBe(image);
});
