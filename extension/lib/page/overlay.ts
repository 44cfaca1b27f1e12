/** The one element that Assay adds to a page: it holds badges and cards, and moves nothing. */

import { language } from "../words";
import { Badge } from "./badge";
import { badgeCorner, type Box, clippersOf, isCovered, type Point, visibleBox } from "./place";
import css from "./overlay.css?inline";

const HOST = "assay-overlay";

/**
 * Milliseconds between two looks at where the images are, for what moves them without telling:
 * animations, carousels, style changes.
 */
const TICK = 400;

/** What happens in the overlay is none of the page's business: shortcuts, "click outside", focus. */
const PRIVATE_EVENTS = [
  "click",
  "mousedown",
  "pointerdown",
  "keydown",
  "keyup",
  "keypress",
  "focusin",
];

export class Overlay {
  private readonly host = document.createElement(HOST);
  readonly shadow = this.host.attachShadow({ mode: "open" });
  private readonly badges = new Map<HTMLImageElement, Badge>();
  private readonly images = new WeakMap<Element, HTMLImageElement>();
  private frame = 0;
  private tick: ReturnType<typeof setInterval> | undefined;

  constructor() {
    const style = document.createElement("style");
    style.textContent = css;
    this.shadow.append(style);
    this.host.lang = language();
    for (const name of PRIVATE_EVENTS) {
      this.host.addEventListener(name, (event) => event.stopPropagation());
    }
  }

  /** Add a badge; an image has one at most. */
  add(badge: Badge): void {
    this.badges.get(badge.image)?.button.remove();
    this.badges.set(badge.image, badge);
    this.insert(badge);
    if (this.badges.size === 1) this.start();
    this.schedule();
  }

  get(image: HTMLImageElement): Badge | undefined {
    return this.badges.get(image);
  }

  remove(image: HTMLImageElement): void {
    this.badges.get(image)?.button.remove();
    this.badges.delete(image);
    if (this.badges.size === 0) this.stop();
  }

  /** Have the badges follow their images in the next frame. */
  readonly schedule = (): void => {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.layout();
    });
  };

  /**
   * Make sure that the page holds the overlay. It lies beside the body, where neither the page's
   * selectors nor its scripts count children.
   */
  attach(): void {
    if (this.host.isConnected) return;
    // An extension that was updated leaves its old overlay behind, and nobody answers in there.
    document.querySelectorAll(HOST).forEach((old) => old.remove());
    document.documentElement.append(this.host);
  }

  detach(): void {
    this.stop();
    this.host.remove();
  }

  /** Keep the buttons in the order of their images, for those who walk with the keyboard. */
  private insert(badge: Badge): void {
    const next = [...this.shadow.querySelectorAll<HTMLElement>(".badge")].find((button) => {
      const other = this.images.get(button)!;
      return badge.image.compareDocumentPosition(other) & Node.DOCUMENT_POSITION_FOLLOWING;
    });
    this.images.set(badge.button, badge.image);
    this.shadow.insertBefore(badge.button, next ?? null);
  }

  private start(): void {
    this.attach();
    document.addEventListener("scroll", this.schedule, { capture: true, passive: true });
    window.addEventListener("resize", this.schedule);
    this.tick = setInterval(this.schedule, TICK);
  }

  private stop(): void {
    document.removeEventListener("scroll", this.schedule, { capture: true });
    window.removeEventListener("resize", this.schedule);
    clearInterval(this.tick);
  }

  private layout(): void {
    if (this.badges.size === 0 || document.hidden) return;
    this.attach();
    // First read all, then write all, or every badge would make the browser lay out the page anew.
    const badges = [...this.badges.values()];
    const boxes = badges.map(({ image }) => visibleBox(image, clippersOf(image)));
    badges.forEach((badge, index) => badge.fit(widthOf(boxes[index]!)));
    const origin = this.host.getBoundingClientRect();
    const rtl = getComputedStyle(document.documentElement).direction === "rtl";
    const corners = badges.map((badge, index) => this.cornerOf(badge, boxes[index]!, rtl));
    badges.forEach((badge, index) => {
      const corner = corners[index];
      // Relative to where the host lies: the page may have moved its root element.
      badge.place(corner && { x: corner.x - origin.left, y: corner.y - origin.top });
    });
  }

  private cornerOf(badge: Badge, box: Box, rtl: boolean): Point | undefined {
    const { image, button } = badge;
    if (!image.checkVisibility({ opacityProperty: true, visibilityProperty: true }))
      return undefined;
    const size = { width: button.offsetWidth, height: button.offsetHeight };
    const corner = badgeCorner(box, size.width, rtl);
    if (!corner) return undefined;
    const middle = { x: corner.x + size.width / 2, y: corner.y + size.height / 2 };
    return isCovered(image, middle, this.host) ? undefined : corner;
  }
}

function widthOf(box: Box): number {
  return box.right - box.left;
}
