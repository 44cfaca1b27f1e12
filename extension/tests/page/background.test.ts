import { afterEach, expect, test, vi } from "vitest";
import {
  type Background,
  backgroundsOf,
  drawnSize,
  hasBackground,
  isDecoration,
} from "../../lib/page/background";
import { styled } from "./layout";

afterEach(() => {
  vi.unstubAllGlobals();
});

const element = document.createElement("div");
const urlsOf = (styles: Parameters<typeof styled>[1], pseudo = {}) => {
  styled(element, styles, pseudo);
  return backgroundsOf(element).map(({ url }) => url);
};

test.each([
  ["none", []],
  ['url("https://x.example/a.jpg")', ["https://x.example/a.jpg"]],
  ["linear-gradient(rgba(0, 0, 0, 0.5), rgb(1, 2, 3))", []],
  [
    'linear-gradient(rgba(0, 0, 0, 0.5), red), url("https://x.example/a,(b).jpg"), url("blob:1")',
    ["https://x.example/a,(b).jpg", "blob:1"],
  ],
  ['url("https://x.example/a\\"b\\\\.jpg")', ['https://x.example/a"b\\.jpg']],
  [
    'image-set(url("https://x.example/1.jpg") 1x, url("https://x.example/3.jpg") 3dppx, ' +
      'url("https://x.example/2.jpg") 2x)',
    ["https://x.example/3.jpg"],
  ],
])("the image files in %s", (backgroundImage, urls) => {
  expect(urlsOf({ backgroundImage })).toEqual(urls);
  expect(hasBackground(element)).toBe(urls.length > 0);
});

test("a background of megabytes is read at once", () => {
  const url = `data:image/png;base64,${"A".repeat(5_000_000)}`;
  expect(urlsOf({ backgroundImage: `none, url("${url}")` })).toEqual([url]);
});

test("each layer has its own values, and shorter lists repeat", () => {
  styled(element, {
    backgroundImage: 'url("https://x.example/1"), url("https://x.example/2"), url("blob:3")',
    backgroundSize: "cover, 10px 20px",
    backgroundPositionX: "50%, calc(100% - min(1px, 2px))",
    backgroundRepeat: "no-repeat",
  });
  expect(backgroundsOf(element)).toMatchObject([
    { size: "cover", x: "50%", repeat: "no-repeat" },
    { size: "10px 20px", x: "calc(100% - min(1px, 2px))", repeat: "no-repeat" },
    { size: "cover", x: "50%", repeat: "no-repeat" },
  ]);
});

const image = { backgroundImage: 'url("https://x.example/a.jpg")', width: "200px", height: "90px" };

test.each([
  ["::before", "relative", { content: '""', ...image }, ["https://x.example/a.jpg"]],
  ["::after", "absolute", { content: '""', ...image }, ["https://x.example/a.jpg"]],
  ["::before", "relative", { content: "none", ...image }, []],
])("a background of %s in a box that is %s", (name, position, style, urls) => {
  expect(urlsOf({ position }, { [name]: style })).toEqual(urls);
  expect(hasBackground(element)).toBe(urls.length > 0);
});

test("a background of a pseudo-element has the size of its box", () => {
  styled(element, { position: "relative" }, { "::before": { content: '""', ...image } });
  expect(backgroundsOf(element)[0]!.box).toEqual({ width: 200, height: 90 });
});

test("pseudo-elements are not asked for where they hardly have a background", () => {
  const asked = styled(element, { position: "static" });
  hasBackground(element);
  expect(asked).toHaveBeenCalledOnce();
});

const size = (width: number, height: number) => ({ width, height });
const background = (change: Partial<Background>): Background => {
  const plain = { url: "", size: "auto", x: "0%", y: "0%", repeat: "repeat", box: undefined };
  return { ...plain, ...change };
};

test.each([
  ["auto", 600, 400],
  ["cover", 300, 200],
  ["contain", 150, 100],
  ["60px", 60, 40],
  ["60px 90px", 60, 90],
  ["auto 200px", 300, 200],
  ["50%", 75, 50],
  ["400% 100%", 600, 100],
])("an image of 600 × 400 in a box of 150 × 100, sized %s", (value, width, height) => {
  const box = value === "cover" ? size(300, 100) : size(150, 100);
  expect(drawnSize(background({ size: value }), box, size(600, 400))).toEqual(size(width, height));
});

test.each([
  ["a picture that fills its box", { size: "cover", x: "20px" }, size(900, 600), false],
  ["a large picture in its middle", { x: "50%", y: "50%" }, size(900, 600), false],
  ["a large picture's corner", {}, size(900, 600), false],
  ["one of a sheet", { x: "-120px", y: "0px" }, size(900, 100), true],
  ["the first of a sheet", { x: "0px", y: "0px" }, size(900, 600), true],
  ["one of a sheet, in per cent", { x: "33.3333%" }, size(900, 100), true],
  ["one of a column", { y: "-200px" }, size(150, 2000), true],
  ["a picture that is shifted a little", { x: "-20px", y: "-10px" }, size(200, 150), false],
  ["a pattern", {}, size(70, 50), true],
  ["a small picture that does not repeat", { repeat: "no-repeat" }, size(70, 50), false],
])("%s in a box of 150 × 100", (_name, change, drawn, expected) => {
  expect(isDecoration(background(change), size(150, 100), drawn)).toBe(expected);
});
