/** Stands in for what a DOM without layout lacks: sizes, and the observers that watch them. */

import { vi } from "vitest";
import type { Box } from "../../lib/page/positions";

export function box(left: number, top: number, width: number, height: number): Box {
  return { left, top, right: left + width, bottom: top + height };
}

/** Lay an element out at a place. */
export function layOut(element: Element, left: number, top: number, width: number, height: number) {
  const rect = { ...box(left, top, width, height), x: left, y: top, width, height };
  element.getBoundingClientRect = () => ({ ...rect, toJSON: () => rect });
}

export interface ImageFacts {
  src?: string;
  shown?: [width: number, height: number];
  natural?: [width: number, height: number];
  complete?: boolean;
}

/** Make an image that has loaded, of 300 × 200 shown and 600 × 400 own pixels unless told. */
export function makeImage(facts: ImageFacts = {}): HTMLImageElement {
  const image = document.createElement("img");
  setImage(image, facts);
  return image;
}

export function setImage(image: HTMLImageElement, facts: ImageFacts): void {
  const { src = "https://x.example/a.jpg", shown = [300, 200], natural = [600, 400] } = facts;
  Object.defineProperties(image, {
    currentSrc: { value: src, configurable: true },
    complete: { value: facts.complete ?? true, configurable: true },
    naturalWidth: { value: natural[0], configurable: true },
    naturalHeight: { value: natural[1], configurable: true },
  });
  image.checkVisibility = () => true;
  layOut(image, 0, 0, ...shown);
}

/** Attach an open shadow root. */
export function attach(host: Element, markup: string): ShadowRoot {
  const root = host.attachShadow({ mode: "open" });
  root.innerHTML = markup;
  return root;
}

type Style = Partial<Record<string, string>>;

const PLAIN: Style = {
  backgroundImage: "none",
  backgroundSize: "auto",
  backgroundPositionX: "0%",
  backgroundPositionY: "0%",
  backgroundRepeat: "repeat",
  content: "normal",
  position: "static",
};

/** Give an element and its pseudo-elements computed styles. All others have plain ones. */
export function styled(element: Element, own: Style, pseudo: Record<string, Style> = {}) {
  const compute = vi.fn((asked: Element, name?: string) => {
    if (asked !== element) return PLAIN;
    return { ...PLAIN, ...(name ? { content: "none", ...pseudo[name] } : own) };
  });
  vi.stubGlobal("getComputedStyle", compute);
  return compute;
}

/** Have images at these addresses load, with these own sizes, and no others. */
export function fakeImages(sizes: Record<string, [width: number, height: number]>): void {
  class FakeImage {
    onload = () => {};
    onerror = () => {};
    naturalWidth = 0;
    naturalHeight = 0;
    set src(url: string) {
      [this.naturalWidth, this.naturalHeight] = sizes[url] ?? [0, 0];
      queueMicrotask(url in sizes ? this.onload : this.onerror);
    }
  }
  vi.stubGlobal("Image", FakeImage);
}

interface Report {
  target: Element;
  isIntersecting?: boolean;
}

/** An observer of what a test tells it. */
class FakeObserver {
  static last: FakeObserver;
  readonly targets = new Set<Element>();
  /** What it was told of each element. As real ones do, it tells that again of what is new to it. */
  private readonly told = new WeakMap<Element, Report>();
  constructor(
    private readonly callback: (entries: Report[]) => void,
    readonly options: IntersectionObserverInit = {},
  ) {
    (this.constructor as typeof FakeObserver).last = this;
  }
  observe = (target: Element): void => {
    if (this.targets.has(target)) return;
    this.targets.add(target);
    queueMicrotask(() => this.targets.has(target) && this.report(target));
  };
  unobserve = (target: Element) => this.targets.delete(target);
  disconnect = () => this.targets.clear();
  tell = (entries: Report[]): void => {
    for (const entry of entries) this.told.set(entry.target, entry);
    this.callback(entries);
  };
  protected report(target: Element): void {
    const entry = this.told.get(target);
    if (entry) this.callback([entry]);
  }
}

export class FakeIntersectionObserver extends FakeObserver {}
export class FakeResizeObserver extends FakeObserver {
  protected override report(target: Element): void {
    this.tell([{ target }]);
  }
}

/** Have both observers be the tests' own, and a page that leaves much time. */
export function fakeObservers(): void {
  vi.stubGlobal("IntersectionObserver", FakeIntersectionObserver);
  vi.stubGlobal("ResizeObserver", FakeResizeObserver);
  const deadline = { didTimeout: false, timeRemaining: () => 10 };
  vi.stubGlobal("requestIdleCallback", (run: IdleRequestCallback) => setTimeout(run, 0, deadline));
  vi.stubGlobal("cancelIdleCallback", clearTimeout);
}

/** Scroll an image near the viewport, or away from it. */
export function bringNear(image: Element, isIntersecting = true): void {
  const { last } = FakeIntersectionObserver;
  if (last.targets.has(image)) last.tell([{ target: image, isIntersecting }]);
}

/** Tell that an image is shown in another size. */
export function resized(image: Element): void {
  const { last } = FakeResizeObserver;
  if (last.targets.has(image)) last.tell([{ target: image }]);
}
