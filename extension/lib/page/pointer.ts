/** Remembers where the user opened a context menu, and finds the image that it was opened on. */

import type { Box } from "./place";
import { imagesIn } from "./watcher";

/** What the menu was opened on: the image where one is found, and in any case the place. */
export interface Pointed {
  image: HTMLImageElement | undefined;
  box: Box;
}

export class Pointer {
  private at = { x: 0, y: 0 };
  private target: Element | undefined;

  start(): void {
    // Captured, for pages like to stop this event.
    window.addEventListener("contextmenu", this.onContextMenu, true);
  }

  stop(): void {
    window.removeEventListener("contextmenu", this.onContextMenu, true);
  }

  /** @param url the image's address as the menu told it; empty when it did not */
  find(url: string): Pointed {
    const under = document.elementsFromPoint(this.at.x, this.at.y);
    const candidates = [this.target, ...under, ...imagesIn(document)].filter(
      (element) => element instanceof HTMLImageElement,
    );
    const image = url
      ? candidates.find(({ currentSrc, src }) => currentSrc === url || src === url)
      : candidates[0];
    const { x, y } = this.at;
    const box = image?.getBoundingClientRect() ?? { left: x, top: y, right: x, bottom: y };
    return { image, box };
  }

  private readonly onContextMenu = (event: MouseEvent): void => {
    const [target] = event.composedPath();
    this.target = target instanceof Element ? target : undefined;
    this.at = { x: event.clientX, y: event.clientY };
  };
}
