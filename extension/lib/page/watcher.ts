/** Finds the images that get a badge: near the viewport, large enough, with an http(s) address. */

import { isWebUrl } from "./url";

/** Smallest shown width and height, in CSS pixels, of an image that gets a badge. */
export const MIN_SHOWN = 96;

/** Smallest natural width and height, in pixels, that the server accepts. */
const MIN_NATURAL = 64;

/** Margin around the viewport in which images are checked before they become visible. */
const MARGIN = "400px 200px";

/** Attributes that change the shown image. */
const ATTRIBUTES = ["src", "srcset", "sizes", "media", "type"];

export interface WatcherEvents {
  /** An image came near the viewport, or its address changed. */
  found(image: HTMLImageElement, url: string): void;
  /** A found image is gone, far away, too small, or has no suitable address. */
  lost(image: HTMLImageElement): void;
  /** Images may have moved. */
  moved(): void;
}

export class Watcher {
  /** Images near the viewport that no scroll container hides. */
  private readonly near = new Set<HTMLImageElement>();
  /** The found images and their addresses. */
  private readonly found = new Map<HTMLImageElement, string>();
  private readonly nearObserver: IntersectionObserver;
  private readonly sizes: ResizeObserver;
  private readonly changes: MutationObserver;

  constructor(
    private readonly root: Document,
    private readonly events: WatcherEvents,
  ) {
    this.nearObserver = new IntersectionObserver((entries) => this.onNear(entries), {
      rootMargin: MARGIN,
    });
    this.sizes = new ResizeObserver((entries) => {
      for (const { target } of entries) this.consider(target as HTMLImageElement);
      this.events.moved();
    });
    this.changes = new MutationObserver((records) => this.onChanges(records));
  }

  start(): void {
    this.observe(this.root);
    this.changes.observe(this.root, {
      subtree: true,
      childList: true,
      attributes: true,
      attributeFilter: ATTRIBUTES,
    });
    // These events do not bubble, so they are captured.
    this.root.addEventListener("load", this.onLoad, true);
    this.root.addEventListener("error", this.onLoad, true);
  }

  stop(): void {
    this.nearObserver.disconnect();
    this.sizes.disconnect();
    this.changes.disconnect();
    this.root.removeEventListener("load", this.onLoad, true);
    this.root.removeEventListener("error", this.onLoad, true);
    for (const image of [...this.found.keys()]) this.lose(image);
    this.near.clear();
  }

  private observe(root: Document | Element): void {
    for (const image of imagesIn(root)) this.nearObserver.observe(image);
  }

  private forget(image: HTMLImageElement): void {
    this.nearObserver.unobserve(image);
    this.leave(image);
  }

  private leave(image: HTMLImageElement): void {
    this.near.delete(image);
    this.sizes.unobserve(image);
    this.lose(image);
  }

  private onNear(entries: IntersectionObserverEntry[]): void {
    for (const { target, isIntersecting } of entries) {
      const image = target as HTMLImageElement;
      if (!isIntersecting) {
        this.leave(image);
        continue;
      }
      this.near.add(image);
      this.sizes.observe(image);
      this.consider(image);
    }
  }

  private onChanges(records: MutationRecord[]): void {
    for (const { type, target, addedNodes, removedNodes } of records) {
      if (type === "attributes") {
        const shown = target instanceof HTMLSourceElement ? target.parentElement : target;
        if (shown instanceof Element) imagesIn(shown).forEach((image) => this.consider(image));
        continue;
      }
      for (const node of removedNodes) {
        // An element that was only moved is still connected.
        if (node.isConnected || !(node instanceof Element)) continue;
        imagesIn(node).forEach((image) => this.forget(image));
      }
      for (const node of addedNodes) {
        if (node.isConnected && node instanceof Element) this.observe(node);
      }
    }
    this.events.moved();
  }

  private readonly onLoad = (event: Event): void => {
    if (event.target instanceof HTMLImageElement) this.consider(event.target);
  };

  private consider(image: HTMLImageElement): void {
    const url = this.near.has(image) ? badgeUrl(image) : undefined;
    if (url === this.found.get(image)) return;
    if (url === undefined) return this.lose(image);
    this.found.set(image, url);
    this.events.found(image, url);
  }

  private lose(image: HTMLImageElement): void {
    if (this.found.delete(image)) this.events.lost(image);
  }
}

/** The images in a part of the page, including the root itself. */
export function imagesIn(root: Document | Element): HTMLImageElement[] {
  const images = [...root.querySelectorAll("img")];
  return root instanceof HTMLImageElement ? [root, ...images] : images;
}

/** The address of the shown image without fragment, if it is an http(s) URL. */
function webUrl(image: HTMLImageElement): string | undefined {
  const address = image.currentSrc || image.src;
  return isWebUrl(address) ? address.replace(/#.*$/s, "") : undefined;
}

function badgeUrl(image: HTMLImageElement): string | undefined {
  if (!image.complete) return undefined;
  // Small files in a large box are placeholders, spacers and tracking pixels.
  if (Math.min(image.naturalWidth, image.naturalHeight) < MIN_NATURAL) return undefined;
  const { width, height } = image.getBoundingClientRect();
  if (Math.min(width, height) < MIN_SHOWN) return undefined;
  return webUrl(image);
}
