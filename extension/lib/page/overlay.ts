/** The only element that Assay adds to a page. It holds badges and cards, and shifts no content. */

import { language } from "../i18n";
import { Badge } from "./badge";
import { DEFAULTS, type Look } from "../settings";
import {
  badgeAnchor,
  type Box,
  clippersOf,
  middleOf,
  visibleBox,
} from "./positions";
import { Ring } from "./ring";
import { type Place, Sight } from "./sight";
import { hasSmallerCopy, type Layer } from "./stack";
import type { Transparencies, Transparency } from "./transparency";
import { OVERLAY, precedes } from "./tree";
import { Veils } from "./veils";
import css from "./overlay.css?inline";

/**
 * Milliseconds between two layouts. Animations, carousels and style changes move images without an
 * event.
 */
const TICK = 400;

/** Events that must not reach the page: its shortcuts, "click outside" and focus handlers. */
const PRIVATE_EVENTS = [
  "click",
  "mousedown",
  "pointerdown",
  "keydown",
  "keyup",
  "keypress",
  "focusin",
];

/** How events of the page are listened to. Some do not bubble, and the page may stop others. */
const PASSIVE = { capture: true, passive: true };

/** Events after which something may lie over an image, or no longer. */
const COVERING_EVENTS = ["click", "keyup", "toggle", "transitionend", "animationend"];

export class Overlay {
  private readonly host = document.createElement(OVERLAY);
  readonly shadow = this.host.attachShadow({ mode: "open" });
  private readonly badges = new Map<Element, Badge>();
  private readonly images = new WeakMap<Element, Element>();
  readonly veils = new Veils();
  private readonly ring = new Ring();
  private look: Look = DEFAULTS;
  private readonly sight = new Sight((layer) => this.transparencyOf(layer));
  private frame = 0;
  private isTick = false;
  /** Whether the Escape that is pressed is for the page. */
  private escapes = false;
  private tick: ReturnType<typeof setInterval> | undefined;

  constructor(private readonly transparencies: Transparencies) {
    const style = document.createElement("style");
    style.textContent = css;
    this.shadow.append(style);
    for (const name of PRIVATE_EVENTS) {
      this.host.addEventListener(name, (event) => {
        if (!this.isForPage(event)) event.stopPropagation();
      });
    }
  }

  /**
   * After the card is closed, the focus is on a badge. Escape then closes what the page has opened,
   * such as a lightbox. The Escape that closes the card is not for the page.
   */
  private isForPage(event: Event): boolean {
    if (!(event instanceof KeyboardEvent) || event.key !== "Escape") return false;
    if (event.type === "keydown") this.escapes = !this.shadow.querySelector("dialog[open]");
    return this.escapes;
  }

  /** Add a badge. It replaces the image's old badge. */
  add(badge: Badge): void {
    this.badges.get(badge.image)?.button.remove();
    this.badges.set(badge.image, badge);
    badge.setLook(this.look);
    this.insert(badge);
    if (this.badges.size === 1) this.start();
    this.schedule();
  }

  get(image: Element): Badge | undefined {
    return this.badges.get(image);
  }

  /** The badge of a button. */
  badgeOf(button: Element): Badge | undefined {
    const image = this.images.get(button);
    return image && this.badges.get(image);
  }

  all(): Badge[] {
    return [...this.badges.values()];
  }

  setLook(look: Look): void {
    this.look = look;
    for (const badge of this.badges.values()) badge.setLook(look);
    this.veils.setKind(look.flagged);
    this.schedule();
  }

  /** Show the badges in the chosen language. */
  localise(): void {
    this.host.lang = language();
    for (const badge of this.badges.values()) badge.localise();
    this.schedule();
  }

  /** Draw attention to an image for a moment. */
  highlight(image: Element): void {
    this.attach();
    this.ring.show(this.shadow, image);
  }

  remove(image: Element): void {
    this.veils.lift(image);
    this.badges.get(image)?.button.remove();
    this.badges.delete(image);
    if (this.badges.size === 0) this.stop();
  }

  /** Update the positions of the badges in the next frame. */
  readonly schedule = (): void => {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.layout();
    });
  };

  /** Look again which images are seen, in the next frame. */
  readonly recheck = (): void => {
    this.sight.expire();
    this.schedule();
  };

  /**
   * Add the overlay to the page. It is a sibling of the body, where it does not disturb the page's
   * selectors and scripts.
   */
  attach(): void {
    if (this.host.isConnected) return;
    // After an update, the old overlay remains in the page, but its script is gone.
    document.querySelectorAll(OVERLAY).forEach((old) => old.remove());
    document.documentElement.append(this.host);
  }

  detach(): void {
    this.stop();
    this.host.remove();
  }

  /** Keep the buttons in the order of their images, for keyboard navigation. */
  private insert(badge: Badge): void {
    // Most images are found in the order of the page, so their place is at the end.
    const buttons = this.shadow.querySelectorAll<HTMLElement>(".badge");
    let at = buttons.length;
    while (at > 0 && precedes(badge.image, this.images.get(buttons[at - 1]!)!)) at--;
    this.images.set(badge.button, badge.image);
    this.shadow.insertBefore(badge.button, buttons[at] ?? null);
  }

  private start(): void {
    this.attach();
    document.addEventListener("scroll", this.schedule, PASSIVE);
    window.addEventListener("resize", this.schedule);
    for (const name of COVERING_EVENTS) document.addEventListener(name, this.recheck, PASSIVE);
    this.tick = setInterval(() => {
      this.isTick = true;
      this.schedule();
    }, TICK);
  }

  private stop(): void {
    document.removeEventListener("scroll", this.schedule, PASSIVE);
    window.removeEventListener("resize", this.schedule);
    for (const name of COVERING_EVENTS) document.removeEventListener(name, this.recheck, PASSIVE);
    clearInterval(this.tick);
  }

  private layout(): void {
    this.ring.follow();
    if (this.badges.size === 0 || document.hidden) return;
    this.attach();
    // Read everything before writing. Otherwise each badge would force a layout of the page.
    const badges = this.all();
    const boxes = badges.map(({ image }) => visibleBox(image, clippersOf(image)));
    const heights = badges.map(({ image }) => image.getBoundingClientRect().height);
    badges.forEach((badge, index) => badge.fit(widthOf(boxes[index]!), heights[index]!));
    const origin = this.host.getBoundingClientRect();
    const rtl = getComputedStyle(document.documentElement).direction === "rtl";
    const places = badges.flatMap((badge, index) => this.placeOf(badge, boxes[index]!, rtl) ?? []);
    const seen = this.sight.seen(places, this.isTick);
    this.isTick = false;
    const anchors = new Map(
      seen
        .filter((place) => !hasSmallerCopy(place, seen))
        .map(({ badge, anchor }) => [badge, anchor]),
    );
    for (const badge of badges) {
      const at = anchors.get(badge);
      // Relative to the host, because the page may have moved its root element.
      badge.place(at && { ...at, x: at.x - origin.left, y: at.y - origin.top });
      this.veils.update(badge);
    }
  }

  private placeOf(badge: Badge, box: Box, rtl: boolean): Place | undefined {
    const { button, image, url } = badge;
    if (!image.checkVisibility({ opacityProperty: true, visibilityProperty: true }))
      return undefined;
    const anchor = badgeAnchor(box, this.look.corner, rtl);
    if (!anchor) return undefined;
    const size = { width: button.offsetWidth, height: button.offsetHeight };
    return { badge, url, box, anchor, middle: middleOf(anchor, size) };
  }

  private transparencyOf(layer: Layer): Transparency {
    const outcome = this.badges.get(layer.element)?.outcome;
    const format = outcome?.state === "classified" ? outcome.verdict.image.format : undefined;
    return this.transparencies.of(layer, format);
  }
}

function widthOf(box: Box): number {
  return box.right - box.left;
}
