import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Finder } from "../../lib/page/finder";
import { attach, fakeObservers, styled } from "./layout";

const offer = vi.fn<(element: Element) => void>();
const changed = vi.fn();
let finder: Finder;

beforeEach(() => {
  vi.useFakeTimers();
  fakeObservers();
  document.body.innerHTML = "";
  vi.resetAllMocks();
  finder = new Finder({ offer, changed });
});

afterEach(() => {
  finder.stop();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** The elements that were offered since the last time, each once. */
function offered(): Set<Element> {
  const elements = new Set(offer.mock.calls.map(([element]) => element));
  offer.mockClear();
  return elements;
}

/** Write the body, start, and let everything be found. */
async function begin(markup: string): Promise<HTMLElement> {
  document.body.innerHTML = markup;
  finder.start();
  await idle();
  offered();
  return document.body.firstElementChild as HTMLElement;
}

/** Let time pass, in which pages are idle and mutations are observed. */
const idle = (milliseconds = 500) => vi.advanceTimersByTimeAsync(milliseconds);

const background = { backgroundImage: 'url("https://x.example/a.jpg")' };

test("images are offered at once, backgrounds in idle time", async () => {
  document.body.innerHTML = "<p></p><img>";
  styled(document.querySelector("p")!, background);
  finder.start();
  expect(offered()).toEqual(new Set([document.querySelector("img")]));
  await idle();
  expect(offered()).toContain(document.querySelector("p"));
});

test("what is added later is offered, wherever it lies in what was added", async () => {
  const main = await begin("<main></main>");
  main.innerHTML = "<div><p></p><img></div>";
  styled(main.querySelector("p")!, background);
  await idle();
  expect(offered()).toEqual(new Set([main.querySelector("img"), main.querySelector("p")]));
  expect(changed).toHaveBeenCalled();
});

test.each(["src", "srcset", "sizes", "href", "poster"])(
  "an image is offered again when its %s changes",
  async (name) => {
    const image = await begin("<img>");
    image.setAttribute(name, "b.jpg");
    await idle(0);
    expect(offered()).toEqual(new Set([image]));
  },
);

test("a changed source of a picture makes its image be offered again", async () => {
  await begin("<picture><source><img></picture>");
  document.querySelector("source")!.setAttribute("srcset", "dark.jpg");
  await idle(0);
  expect(offered()).toEqual(new Set([document.querySelector("img")]));
});

test("a class may change all backgrounds within; a style only its own element's", async () => {
  const main = await begin("<main><p></p></main>");
  styled(main.firstElementChild!, background);
  main.setAttribute("style", "color: red");
  await idle();
  expect(offered()).toEqual(new Set());
  main.className = "dark";
  await idle();
  expect(offered()).toEqual(new Set([main.firstElementChild]));
});

test("an element that loses its background is offered a last time", async () => {
  const main = await begin("<main></main>");
  styled(main, background);
  main.className = "open";
  await idle();
  offered();
  styled(main, {});
  main.className = "";
  await idle();
  expect(offered()).toEqual(new Set([main]));
  main.className = "again";
  await idle();
  expect(offered()).toEqual(new Set());
});

test.each([
  ["added", (sheet: HTMLElement) => document.body.append(sheet)],
  ["filled", (sheet: HTMLElement) => sheet.append("p { color: red }")],
  ["loaded", (sheet: HTMLElement) => sheet.dispatchEvent(new Event("load"))],
])("a style sheet that is %s may give any element a background", async (_name, act) => {
  const main = await begin("<main></main><style></style>");
  styled(main, background);
  const isNew = _name === "added";
  act(isNew ? document.createElement("style") : document.querySelector("style")!);
  await idle();
  expect(offered()).toContain(main);
});

test("images in shadow roots are offered, also later ones, and roots within roots", async () => {
  document.body.innerHTML = "<div></div>";
  const root = attach(document.body.firstElementChild!, "<img><section></section>");
  const inner = attach(root.querySelector("section")!, "<img>");
  finder.start();
  await idle();
  expect(offered()).toEqual(new Set([root.querySelector("img"), inner.querySelector("img")]));
  inner.append(document.createElement("img"));
  await idle(0);
  expect(offered()).toEqual(new Set([inner.lastElementChild]));
});

test.each(["<div></div>", "<x-late></x-late>", "<x-late>Text</x-late>"])(
  "a root that %s gets later, without any event, is found",
  async (markup) => {
    const host = await begin(markup);
    const root = attach(host, "<img>");
    await idle(3000);
    expect(offered()).toEqual(new Set([root.querySelector("img")]));
  },
);

test("a host that leaves and returns with another image is found again", async () => {
  document.body.innerHTML = "<div></div>";
  const host = document.body.firstElementChild!;
  const root = attach(host, "");
  finder.start();
  await idle();
  host.remove();
  await idle(3000);
  root.innerHTML = "<img>";
  document.body.append(host);
  await idle();
  expect(offered()).toEqual(new Set([root.querySelector("img")]));
});

test("our own element is not looked into", async () => {
  const ours = await begin("<assay-overlay></assay-overlay>");
  attach(ours, "<img>");
  await idle(3000);
  expect(offered()).toEqual(new Set());
});

test("when it stops, nothing more is offered", async () => {
  const main = await begin("<main></main><div></div>");
  finder.stop();
  main.innerHTML = "<img>";
  attach(document.querySelector("div")!, "<img>");
  await idle(3000);
  expect(offered()).toEqual(new Set());
});
