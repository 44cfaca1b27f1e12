/** Finds the image for which the user opened the context menu. */

import type { Subject } from "./checks";
import { picturesOf } from "./picture";
import type { Box } from "./positions";
import { type Layer, layersAt } from "./stack";
import type { Transparencies } from "./transparency";
import { allElements, elementsAt, isMedia } from "./tree";

/** The target of the context menu: the image, and its box or the pointer's position. */
export interface Target {
  subject: Subject;
  box: Box;
}

export class ContextTarget {
  private at = { x: 0, y: 0 };
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
    const found = this.findShown(url);
    if (!found) {
      return { subject: { url, image: undefined }, box: { left: x, top: y, right: x, bottom: y } };
    }
    const { element, picture } = await this.seenAt(found);
    return { subject: { url: picture.url, image: element }, box: element.getBoundingClientRect() };
  }

  private findShown(url: string): Layer | undefined {
    for (const element of this.candidates(url)) {
      const picture = [...picturesOf(element)].find(({ shownUrl }) => !url || shownUrl === url);
      if (picture) return { element, picture };
    }
    return undefined;
  }

  /** What is seen where a picture is: itself, or what lies below if one sees through it. */
  private async seenAt(found: Layer): Promise<Layer> {
    const under = [...elementsAt(this.at.x, this.at.y)];
    const level = under.indexOf(found.element);
    if (level < 0) return found;
    const layers = layersAt(found.element, under.slice(level));
    for (const layer of layers.slice(0, -1)) {
      if ((await this.transparencies.measured(layer)) !== "clear") return layer;
    }
    return layers.at(-1) ?? found;
  }

  private *candidates(url: string): Generator<Element> {
    const { x, y } = this.at;
    if (this.target) yield this.target;
    yield* elementsAt(x, y);
    // The pointer does not reach all images, for example not those with `pointer-events: none`.
    for (const element of allElements()) {
      if (isMedia(element) && (url || isAt(element, x, y))) yield element;
    }
  }

  private readonly onContextMenu = (event: MouseEvent): void => {
    const [target] = event.composedPath();
    this.target = target instanceof Element ? target : undefined;
    this.at = { x: event.clientX, y: event.clientY };
  };
}

function isAt(element: Element, x: number, y: number): boolean {
  const { left, top, right, bottom } = element.getBoundingClientRect();
  return left <= x && x < right && top <= y && y < bottom && element.checkVisibility();
}
