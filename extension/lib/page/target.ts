/** Finds the image for which the user opened the context menu. */

import type { Box } from "./positions";
import { imagesIn } from "./watcher";

/** The target of the context menu: the image, if it was found, and its box or the position. */
export interface Target {
  image: HTMLImageElement | undefined;
  box: Box;
}

export class ContextTarget {
  private at = { x: 0, y: 0 };
  private target: Element | undefined;

  start(): void {
    // In the capture phase, because many pages stop this event.
    window.addEventListener("contextmenu", this.onContextMenu, true);
  }

  stop(): void {
    window.removeEventListener("contextmenu", this.onContextMenu, true);
  }

  /** @param url the image's address from the menu, or empty */
  find(url: string): Target {
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
