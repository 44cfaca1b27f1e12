import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { fakeBrowser } from "wxt/testing";
import {
  allElements,
  elementsAt,
  mediaIn,
  parentOf,
  precedes,
  shadowRootOf,
} from "../../lib/page/tree";
import { attach } from "./layout";

beforeEach(() => {
  document.body.innerHTML = "";
});

afterEach(() => {
  Reflect.deleteProperty(fakeBrowser, "dom");
});

/** Write the body. Returns a function that finds an element by its id in the body. */
function write(markup: string): (id: string) => HTMLElement {
  document.body.innerHTML = markup;
  return (id) => document.getElementById(id)!;
}

test("images of all kinds are found in a part of the page, and the part itself", () => {
  const find = write(`<main id=main><img><p><input type="image"><input type="text"></p>
    <video poster="a.jpg"></video><video></video><svg><image /></svg><div></div></main>`);
  const names = (root: ParentNode) => mediaIn(root).map(({ localName }) => localName);
  expect(names(find("main"))).toEqual(["img", "input", "video", "image"]);
  expect(names(document.querySelector("img")!)).toEqual(["img"]);
});

test("the tree goes on in shadow roots, but not in our own", () => {
  const find = write("<div id=outer></div><assay-overlay id=ours></assay-overlay><p id=last></p>");
  const outer = attach(find("outer"), "<section><div></div></section>");
  attach(outer.querySelector("div")!, "<img>");
  attach(find("ours"), "<button></button>");
  const names = [...allElements(document.body)].map(({ localName }) => localName);
  expect(names).toEqual(["div", "section", "div", "img", "assay-overlay", "p"]);
});

test("a closed shadow root is asked from the browser, where there may be one", () => {
  const find = write("<div id=empty></div><x-a id=custom>Text</x-a><div id=full>Text</div><i id=i>");
  const root = attach(document.createElement("div"), "");
  const openOrClosedShadowRoot = vi.fn(() => root);
  Object.assign(fakeBrowser, { dom: { openOrClosedShadowRoot } });
  expect(["empty", "custom", "full", "i"].map((id) => shadowRootOf(find(id)))).toEqual([
    root,
    root,
    null,
    null,
  ]);
  expect(openOrClosedShadowRoot).toHaveBeenCalledTimes(2);
});

test("Firefox tells a closed shadow root by a property", () => {
  const host = write("<div id=host></div>")("host");
  const root = attach(document.createElement("div"), "");
  Object.assign(host, { openOrClosedShadowRoot: root });
  expect(shadowRootOf(host)).toBe(root);
});

test("around an element in a shadow root is its host, around a slotted one its slot", () => {
  const find = write("<div id=host><img></div>");
  const root = attach(find("host"), "<p><slot></slot></p>");
  const image = document.querySelector("img")!;
  const slot = root.querySelector("slot")!;
  Object.defineProperty(image, "assignedSlot", { value: slot });
  expect(parentOf(image)).toBe(slot);
  expect(parentOf(root.querySelector("p")!)).toBe(find("host"));
});

test("elements have one order through all shadow roots", () => {
  const find = write("<i id=a></i><div id=b></div><i id=c></i>");
  const root = attach(find("b"), "<i></i><div></div>");
  const [first, second] = [...root.children] as [Element, Element];
  const inner = attach(second, "<i></i>").firstElementChild!;
  const order = [find("a"), find("b"), first, second, inner, find("c")];
  for (const [index, element] of order.entries()) {
    expect(order.map((other) => precedes(element, other)).lastIndexOf(false)).toBe(index);
  }
});

test("what lies at a point is told through shadow roots, topmost first, without our own", () => {
  const find = write("<div id=host></div><assay-overlay id=ours></assay-overlay>");
  const root = attach(find("host"), "<img><p></p>");
  const [image, text] = [...root.children] as [Element, Element];
  document.elementsFromPoint = () => [find("ours"), find("host"), document.body];
  Object.assign(root, { elementsFromPoint: () => [text, image, find("host"), document.body] });
  expect([...elementsAt(1, 1)]).toEqual([text, image, find("host"), document.body]);
});
