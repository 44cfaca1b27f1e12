/** Tells which elements get a badge: near the viewport, with a picture that is large enough. */

import { Finder } from "./finder";
import { measure } from "./natural";
import { firstOf, isPlaceholder, picturesOf } from "./picture";
import { shorterSide } from "./positions";

/** Smallest shown width and height, in CSS pixels, of a picture that gets a badge. */
export const MIN_SHOWN = 96;

/** Margin around the viewport in which pictures are checked before they become visible. */
export const NEAR = "400px 200px";

/** A margin in which all pictures of a page are. */
export const EVERYWHERE = "1000000px";

/** Events after which an element may show another picture. They do not bubble. */
const EVENTS = ["emptied", "error", "load", "play"];

export interface WatcherEvents {
  /** A picture came near the viewport, or its element shows another one. */
  found(element: Element, url: string): void;
  /** The picture that was found is gone, far away or too small. */
  lost(element: Element): void;
  /** Pictures may have moved. */
  moved(): void;
}

export class Watcher {
  private readonly finder: Finder;
  /** Elements near the viewport that no scroll container hides. */
  private readonly near = new Set<Element>();
  /** The found elements and the addresses of their pictures. */
  private readonly found = new Map<Element, string>();
  private readonly nearObserver: IntersectionObserver;
  private readonly sizes: ResizeObserver;

  constructor(
    private readonly events: WatcherEvents,
    margin = NEAR,
  ) {
    this.finder = new Finder({
      offer: (element) => this.later(element),
      changed: () => {
        this.dropRemoved();
        this.events.moved();
      },
    });
    this.nearObserver = new IntersectionObserver((entries) => this.onNear(entries), {
      rootMargin: margin,
    });
    this.sizes = new ResizeObserver((entries) => {
      this.consider(entries.map(({ target }) => target));
      this.events.moved();
    });
  }

  start(): void {
    this.finder.start();
  }

  stop(): void {
    this.finder.stop();
    this.nearObserver.disconnect();
    for (const element of this.near) this.leave(element);
  }

  private onNear(entries: IntersectionObserverEntry[]): void {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) this.approach(target);
      else this.leave(target);
    }
    this.consider(entries.map(({ target }) => target));
  }

  private approach(element: Element): void {
    if (this.near.has(element)) return;
    this.near.add(element);
    this.sizes.observe(element);
    for (const name of EVENTS) element.addEventListener(name, this.onEvent);
  }

  private leave(element: Element): void {
    this.near.delete(element);
    this.sizes.unobserve(element);
    for (const name of EVENTS) element.removeEventListener(name, this.onEvent);
    this.lose(element);
  }

  /** The browser tells of removed elements late, and not at all while the page is hidden. */
  private dropRemoved(): void {
    for (const element of this.near) {
      if (element.isConnected) continue;
      // So it is found again if it comes back at once.
      this.nearObserver.unobserve(element);
      this.leave(element);
    }
  }

  private readonly onEvent = ({ currentTarget }: Event): void => this.later(currentTarget as Element);

  /**
   * Consider an element after the next layout, if it is near. An observer reports what it begins to
   * observe, all of that together, and then positions can be read without another layout.
   */
  private later(element: Element): void {
    if (this.near.has(element)) this.nearObserver.unobserve(element);
    this.nearObserver.observe(element);
  }

  private consider(elements: readonly Element[]): void {
    // Read everything first. What happens to found and lost elements changes the page.
    const urls = elements.map((element) =>
      this.near.has(element) ? this.urlOf(element) : undefined,
    );
    for (const [index, element] of elements.entries()) {
      const url = urls[index];
      if (url === this.found.get(element)) continue;
      if (url === undefined) {
        this.lose(element);
        continue;
      }
      this.found.set(element, url);
      this.events.found(element, url);
    }
  }

  /** The address of the first picture of an element that is large enough. */
  private urlOf(element: Element): string | undefined {
    const picture = firstOf(picturesOf(element), (each) => {
      return shorterSide(each.shown) >= MIN_SHOWN && !isPlaceholder(each);
    });
    if (!picture || picture.natural) return picture?.url;
    void measure(picture.shownUrl).then(() => this.near.has(element) && this.later(element));
    return undefined;
  }

  private lose(element: Element): void {
    if (this.found.delete(element)) this.events.lost(element);
  }
}
