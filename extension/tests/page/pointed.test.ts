import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Subject } from "../../lib/page/checks";
import { Pointed } from "../../lib/page/pointed";
import { Transparencies } from "../../lib/page/transparency";
import { attach, layOut, makeImage, styled } from "./layout";

let pointed: Pointed;
const ofBadge = vi.fn<(element: Element) => Subject | undefined>();
/** What the pointer is over: from the top, each above the next. */
let under: Element[];

beforeEach(() => {
  document.body.innerHTML = "";
  under = [];
  ofBadge.mockReset();
  document.elementsFromPoint = (x, y) => (x === 30 && y === 40 ? under : []);
  // A DOM without layout has no pointer either.
  const query = document.querySelectorAll.bind(document);
  document.querySelectorAll = ((selector: string) =>
    selector === ":hover" ? under.slice(0, 1) : query(selector)) as never;
  vi.stubGlobal("fetch", async () => Promise.reject(new TypeError("refused")));
  pointed = new Pointed(new Transparencies(() => {}), ofBadge);
  pointed.start();
});

afterEach(() => {
  pointed.stop();
  vi.unstubAllGlobals();
  delete (document as Partial<Document>).querySelectorAll;
});

function pointAt(...elements: Element[]): void {
  under = elements;
  const event = new MouseEvent("pointermove", { clientX: 30, clientY: 40, bubbles: true });
  document.body.dispatchEvent(event);
}

async function found(): Promise<Element | undefined> {
  return (await pointed.find())?.subject.image;
}

function add<Added extends Element>(element: Added): Added {
  document.body.append(element);
  return element;
}

test("the image under the pointer is found, also below other elements", async () => {
  const image = add(makeImage());
  const veil = add(document.createElement("a"));
  expect(await found()).toBeUndefined(); // Nobody has pointed yet.
  pointAt(veil, image);
  expect(await found()).toBe(image);
});

test("a pointer beside the only image of the page points at none", async () => {
  layOut(add(makeImage()), 500, 500, 300, 200);
  pointAt(document.body);
  expect(await found()).toBeUndefined();
});

test("a pointer that has not moved yet points at the image that it hovers", async () => {
  const image = add(makeImage());
  under = [image];
  expect(await found()).toBe(image);
});

test("an image in a link that has the focus goes before the pointer", async () => {
  const [other, image] = [add(makeImage()), makeImage()];
  const link = add(document.createElement("a"));
  link.href = "https://x.example/";
  link.append(image);
  pointAt(other);
  link.focus();
  expect(await found()).toBe(image);
});

test("a badge in focus stands for its image", async () => {
  const image = add(makeImage());
  const host = add(document.createElement("div"));
  const button = document.createElement("button");
  host.attachShadow({ mode: "open" }).append(button);
  ofBadge.mockImplementation((element) => (element === button ? { url: image.src, image } : undefined));
  button.focus();
  expect(await found()).toBe(image);
});

test("a focused element with several images leaves the choice to the pointer", async () => {
  const link = add(document.createElement("a"));
  link.href = "https://x.example/";
  const images = [makeImage(), makeImage()];
  link.append(...images);
  link.focus();
  expect(await found()).toBeUndefined();
  pointAt(images[1]!);
  expect(await found()).toBe(images[1]);
});

test("a pointer in a frame is the frame's business", async () => {
  const image = add(makeImage());
  pointAt(image);
  under = [document.createElement("iframe"), image];
  expect(await found()).toBeUndefined();
});

test("a background under the pointer is found, and one in a shadow root that has the focus", async () => {
  const element = add(document.createElement("div"));
  layOut(element, 0, 0, 300, 200);
  styled(element, { backgroundImage: 'url("https://x.example/back.jpg")' });
  pointAt(element);
  expect((await pointed.find())?.subject).toEqual({
    url: "https://x.example/back.jpg",
    image: element,
  });
  const host = add(document.createElement("div"));
  const link = attach(host, '<a href="https://x.example/"></a>').querySelector("a")!;
  const image = makeImage();
  link.append(image);
  link.focus();
  expect(await found()).toBe(image);
});

test("the largest version of the image in focus is checked", async () => {
  const link = add(document.createElement("a"));
  link.href = "https://x.example/";
  const image = makeImage();
  image.srcset = "https://x.example/a.jpg 1x, https://x.example/large.jpg 2x";
  link.append(image);
  link.focus();
  expect((await pointed.find())?.subject.url).toBe("https://x.example/large.jpg");
});
