/** Finds the images worth a badge: near the viewport, large enough, and with a web address. */

import { isWeb } from "./address";

/** Smallest shown width and height, in CSS pixels, of an image that gets a badge. */
export const SMALLEST_SHOWN = 96;

/** Smallest own width and height, in pixels, of an image that the server judges. */
const SMALLEST_NATURAL = 64;

/** How far outside the viewport images are looked at, so that badges are there when they come. */
const MARGIN = "400px 200px";

/** Attributes that change which image is shown. */
const ATTRIBUTES = ["src", "srcset", "sizes", "media", "type"];

export interface WatcherEvents {
  /** An image came near, or an image near shows another address now. */
  found(image: HTMLImageElement, url: string): void;
  /** An image that was found is gone, far away, too small, or shows nothing with an address. */
  lost(image: HTMLImageElement): void;
  /** The page changed in a way that may have moved images. */
  moved(): void;
}

export class Watcher {
  /** Images near the viewport, and in no part cut off by what scrolls around them. */
  private readonly near = new Set<HTMLImageElement>();
  /** The images found, with the address of each. */
  private readonly found = new Map<HTMLImageElement, string>();
  private readonly nearness: IntersectionObserver;
  private readonly sizes: ResizeObserver;
  private readonly changes: MutationObserver;

  constructor(
    private readonly root: Document,
    private readonly events: WatcherEvents,
  ) {
    this.nearness = new IntersectionObserver((entries) => this.onNearness(entries), {
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
    // These do not bubble, but they can be captured.
    this.root.addEventListener("load", this.onLoad, true);
    this.root.addEventListener("error", this.onLoad, true);
  }

  stop(): void {
    this.nearness.disconnect();
    this.sizes.disconnect();
    this.changes.disconnect();
    this.root.removeEventListener("load", this.onLoad, true);
    this.root.removeEventListener("error", this.onLoad, true);
    for (const image of [...this.found.keys()]) this.lose(image);
    this.near.clear();
  }

  private observe(root: Document | Element): void {
    for (const image of imagesIn(root)) this.nearness.observe(image);
  }

  private forget(image: HTMLImageElement): void {
    this.nearness.unobserve(image);
    this.leave(image);
  }

  private leave(image: HTMLImageElement): void {
    this.near.delete(image);
    this.sizes.unobserve(image);
    this.lose(image);
  }

  private onNearness(entries: IntersectionObserverEntry[]): void {
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
        // What was only moved is still connected.
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
    const url = this.near.has(image) ? addressWorthABadge(image) : undefined;
    if (url === this.found.get(image)) return;
    if (url === undefined) return this.lose(image);
    this.found.set(image, url);
    this.events.found(image, url);
  }

  private lose(image: HTMLImageElement): void {
    if (this.found.delete(image)) this.events.lost(image);
  }
}

/** The images in a part of the page, itself among them. */
export function imagesIn(root: Document | Element): HTMLImageElement[] {
  const images = [...root.querySelectorAll("img")];
  return root instanceof HTMLImageElement ? [root, ...images] : images;
}

/** The address of the image that an element shows, if it is one that the server can fetch. */
function webAddress(image: HTMLImageElement): string | undefined {
  const address = image.currentSrc || image.src;
  return isWeb(address) ? address.replace(/#.*$/s, "") : undefined;
}

function addressWorthABadge(image: HTMLImageElement): string | undefined {
  if (!image.complete) return undefined;
  // Small files blown up to a large box are placeholders, spacers and beacons.
  if (Math.min(image.naturalWidth, image.naturalHeight) < SMALLEST_NATURAL) return undefined;
  const { width, height } = image.getBoundingClientRect();
  if (Math.min(width, height) < SMALLEST_SHOWN) return undefined;
  return webAddress(image);
}
