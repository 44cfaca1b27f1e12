import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ContextTarget } from "../../lib/page/target";
import { Transparencies, type Transparency } from "../../lib/page/transparency";
import { attach, layOut, makeImage, styled } from "./layout";

const A = "https://x.example/a.jpg";

let pointer: ContextTarget;
let transparencies: Transparencies;

beforeEach(() => {
  document.body.innerHTML = "";
  document.elementsFromPoint = () => [];
  vi.stubGlobal("fetch", async () => Promise.reject(new TypeError("refused")));
  transparencies = new Transparencies(() => {});
  pointer = new ContextTarget(transparencies);
  pointer.start();
});

afterEach(() => {
  pointer.stop();
  vi.unstubAllGlobals();
});

/** Right-click an element, at a point at which these elements are. */
function rightClick(element: Element, ...under: Element[]): void {
  document.elementsFromPoint = () => under;
  const at = { clientX: 10, clientY: 20 };
  element.dispatchEvent(new MouseEvent("contextmenu", { bubbles: true, composed: true, ...at }));
}

function add<Kind extends Element>(element: Kind): Kind {
  document.body.append(element);
  return element;
}

test("an image is found by the address that the browser tells, anywhere on the page", async () => {
  const image = makeImage();
  attach(add(document.createElement("div")), "").append(image);
  add(makeImage({ src: "https://x.example/other.jpg" }));
  expect((await pointer.find(A)).subject).toEqual({ url: A, image });
});

test("the largest version is checked of the image that the browser tells", async () => {
  const image = add(makeImage());
  image.srcset = `${A} 1x, https://x.example/large.jpg 2x`;
  expect((await pointer.find(A)).subject).toEqual({ url: "https://x.example/large.jpg", image });
});

test("without an address, the topmost image under the pointer is found", async () => {
  const [below, above] = [add(makeImage()), add(makeImage({ src: "https://x.example/b.jpg" }))];
  rightClick(document.body, document.body, above, below);
  expect((await pointer.find("")).subject.image).toBe(above);
});

test.each(["div", "a", "section"])("a background of a %s is found", async (name) => {
  const element = add(document.createElement(name));
  layOut(element, 0, 0, 300, 200);
  styled(element, { backgroundImage: `url("${A}")` });
  const text = document.createElement("span");
  element.append(text);
  rightClick(text, text, element);
  expect(await pointer.find("")).toMatchObject({
    subject: { url: A, image: element },
    box: { right: 300, bottom: 200 },
  });
});

test("a poster is found", async () => {
  const video = add(document.createElement("video"));
  Object.assign(video, { poster: A });
  rightClick(video);
  expect((await pointer.find("")).subject).toEqual({ url: A, image: video });
});

/** Have these images be so transparent. happy-dom has no pixels to measure. */
function areTransparent(known: Map<Element, Transparency>): void {
  vi.spyOn(transparencies, "measured").mockImplementation(async ({ element }) => {
    return known.get(element) ?? "unknown";
  });
}

test.each([
  ["clear", "photo"],
  ["unknown", "overlay"],
  ["opaque", "overlay"],
] as const)("of a %s image over a photo, the %s is found", async (is, name) => {
  const photo = add(makeImage({ src: "https://x.example/photo.jpg" }));
  const overlay = add(makeImage());
  areTransparent(new Map([[overlay, is]]));
  rightClick(overlay, overlay, photo, document.body);
  for (const told of ["", A]) {
    expect((await pointer.find(told)).subject.image).toBe({ photo, overlay }[name]);
  }
});

test("below a tiny file that is stretched over it, a photo is found", async () => {
  const photo = add(makeImage({ src: "https://x.example/photo.jpg" }));
  const spacer = add(makeImage({ natural: [1, 1] }));
  rightClick(spacer, spacer, photo, document.body);
  expect((await pointer.find(A)).subject.image).toBe(photo);
});

test("a transparent image that lies on nothing, or on a larger one, is found itself", async () => {
  const page = add(makeImage({ src: "https://x.example/photo.jpg", shown: [1000, 800] }));
  const logo = add(makeImage());
  areTransparent(new Map([[logo, "clear"]]));
  rightClick(logo, logo, page, document.body);
  expect((await pointer.find(A)).subject.image).toBe(logo);
});

test("an image that the pointer does not reach is found by its place", async () => {
  const image = add(makeImage());
  const elsewhere = makeImage({ src: "https://x.example/b.jpg" });
  document.body.prepend(elsewhere);
  layOut(elsewhere, 500, 0, 300, 200);
  rightClick(document.body, document.body);
  expect((await pointer.find("")).subject.image).toBe(image);
});

test("where there is no image, there is the pointer's place", async () => {
  rightClick(document.body, document.body);
  expect(await pointer.find("")).toEqual({
    subject: { url: "", image: undefined },
    box: { left: 10, top: 20, right: 10, bottom: 20 },
  });
});
