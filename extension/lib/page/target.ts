/** Finds the image that the user means: the one for which the context menu opened. */

import type { Subject } from "./checks";
import { firstOf, picturesOf } from "./picture";
import type { Box, Point } from "./positions";
import { type Layer, layersAt } from "./stack";
import type { Transparencies } from "./transparency";
import { allElements, elementsAt, isMedia } from "./tree";

/** An image that the user means, and its box or the pointer's position. */
export interface Target {
  subject: Subject;
  box: Box;
}

export class ContextTarget {
  private at: Point = { x: 0, y: 0 };
  private target: Element | undefined;

  constructor(private readonly transparencies: Transparencies) {}

  start(): void {
    // In the capture phase, because many pages stop this event.
    window.addEventListener("contextmenu", this.onContextMenu, true);
  }

  stop(): void {
    window.removeEventListener("contextmenu", this.onContextMenu, true);
  }

  /** @param url the image's address from the menu. Empty: the topmost image under the pointer. */
  async find(url: string): Promise<Target> {
    const { x, y } = this.at;
    const found = firstPicture(this.candidates(url), url);
    if (found) return targetOf(await seenAt(this.at, found, this.transparencies));
    return { subject: { url, image: undefined }, box: { left: x, top: y, right: x, bottom: y } };
  }

  private *candidates(url: string): Generator<Element> {
    if (this.target) yield this.target;
    yield* under(this.at);
    if (url) yield* media();
  }

  private readonly onContextMenu = (event: MouseEvent): void => {
    const [target] = event.composedPath();
    this.target = target instanceof Element ? target : undefined;
    this.at = { x: event.clientX, y: event.clientY };
  };
}

/** The elements at a point, topmost first, and then the media that the pointer does not reach. */
export function* under({ x, y }: Point): Generator<Element> {
  yield* elementsAt(x, y);
  // For example those with `pointer-events: none`.
  for (const element of media()) {
    if (isAt(element, x, y)) yield element;
  }
}

/** The first of these elements that shows a picture. @param url its address. Empty: any picture */
export function firstPicture(elements: Iterable<Element>, url = ""): Layer | undefined {
  for (const element of elements) {
    const picture = firstOf(picturesOf(element), (each) => {
      return !url || each.shownUrl === url || each.url === url;
    });
    if (picture) return { element, picture };
  }
  return undefined;
}

/** The element that shows the image file at an address. */
export function imageAt(url: string): Element | undefined {
  return firstPicture(media(), url)?.element;
}

/** What is seen where a picture is: itself, or what lies below if one sees through it. */
export async function seenAt(
  { x, y }: Point,
  found: Layer,
  transparencies: Transparencies,
): Promise<Layer> {
  const elements = [...elementsAt(x, y)];
  const level = elements.indexOf(found.element);
  if (level < 0) return found;
  const layers = layersAt(found.element, elements.slice(level));
  for (const layer of layers.slice(0, -1)) {
    if ((await transparencies.measured(layer)) !== "clear") return layer;
  }
  return layers.at(-1) ?? found;
}

export function targetOf({ element, picture }: Layer): Target {
  return { subject: { url: picture.url, image: element }, box: element.getBoundingClientRect() };
}

function* media(): Generator<Element> {
  for (const element of allElements()) {
    if (isMedia(element)) yield element;
  }
}

function isAt(element: Element, x: number, y: number): boolean {
  const { left, top, right, bottom } = element.getBoundingClientRect();
  return left <= x && x < right && top <= y && y < bottom && element.checkVisibility();
}
