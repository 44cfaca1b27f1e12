/** The only element that Assay adds to a page. It holds badges and cards, and shifts no content. */

import { language } from "../i18n";
import { Badge } from "./badge";
import { DEFAULTS, type Look } from "../settings";
import { type Anchor, badgeAnchor, Clips, middleOf } from "./positions";
import { Ring } from "./ring";
import { PAUSE, type Place, Sight } from "./sight";
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
  /** The badges in the order of their images. */
  private readonly order: Badge[] = [];
  /** New badges, and those with another size. They are placed first. */
  private readonly fresh = new Set<Badge>();
  /** The places of the badges that are shown. */
  private places: Place[] = [];
  readonly veils = new Veils();
  private readonly ring = new Ring();
  private look: Look = DEFAULTS;
  private readonly sight = new Sight((layer) => this.transparencyOf(layer));
  /** Tells when the browser has laid the page out, so that reading positions costs nothing more. */
  private readonly laidOut = new ResizeObserver(() => this.onLaidOut());
  private frame = 0;
  private isDue = false;
  private isTick = false;
  private lastLayout = -PAUSE;
  private later: ReturnType<typeof setTimeout> | undefined;
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
    this.drop(badge.image);
    this.badges.set(badge.image, badge);
    badge.setLook(this.look);
    this.insert(badge);
    if (this.badges.size === 1) this.start();
    this.refresh(badge);
  }

  /** Place a badge that has changed, in the next frame, and the others later. */
  refresh(badge: Badge): void {
    this.fresh.add(badge);
    this.sight.learned(badge);
    this.requestFrame();
    this.scheduleSoon();
  }

  get(image: Element): Badge | undefined {
    return this.badges.get(image);
  }

  /** The badge of a button. */
  badgeOf(button: Element): Badge | undefined {
    return this.order.find((badge) => badge.button === button);
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
    this.drop(image);
    if (this.badges.size === 0) this.stop();
  }

  /** Update the positions of the badges in the next frame. */
  readonly schedule = (): void => {
    this.isDue = true;
    this.requestFrame();
  };

  /** Look again which images are seen, and where they are, in the next frame or soon after. */
  readonly recheck = (): void => {
    this.sight.expire();
    this.scheduleSoon();
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

  private drop(image: Element): void {
    const badge = this.badges.get(image);
    if (!badge) return;
    badge.button.remove();
    this.badges.delete(image);
    this.fresh.delete(badge);
    this.order.splice(this.order.indexOf(badge), 1);
  }

  private isThere(badge: Badge): boolean {
    return this.badges.get(badge.image) === badge;
  }

  /** Keep the buttons in the order of their images, for keyboard navigation. */
  private insert(badge: Badge): void {
    // Most images are found in the order of the page, so their place is at the end.
    let at = this.order.length;
    while (at > 0 && precedes(badge.image, this.order[at - 1]!.image)) at--;
    this.shadow.insertBefore(badge.button, this.order[at]?.button ?? null);
    this.order.splice(at, 0, badge);
  }

  /** A page that loads or moves changes all the time. Its badges need not follow each change. */
  private scheduleSoon(): void {
    const rest = this.lastLayout + PAUSE - performance.now();
    if (rest <= 0) return this.schedule();
    this.later ??= setTimeout(() => {
      this.later = undefined;
      this.schedule();
    }, rest);
  }

  /** The observer reports an element that it begins to observe, after the layout of the frame. */
  private requestFrame(): void {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.laidOut.observe(document.documentElement);
    });
  }

  private onLaidOut(): void {
    this.laidOut.disconnect();
    if (this.isDue) this.layout();
    else this.layoutFresh();
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
    clearTimeout(this.later);
    this.later = undefined;
  }

  private layout(): void {
    this.isDue = false;
    this.ring.follow();
    if (this.badges.size === 0 || document.hidden) return;
    this.lastLayout = performance.now();
    const badges = this.all();
    const places = this.placesOf(badges);
    this.places = this.sight.seen(places, this.isTick);
    this.isTick = false;
    this.fresh.clear();
    this.show(badges);
  }

  /** Place the badges that have none yet, or another size. The others are where they were. */
  private layoutFresh(): void {
    if (this.fresh.size === 0 || document.hidden) return;
    const badges = [...this.fresh];
    const others = this.places.filter(({ badge }) => this.isThere(badge) && !this.fresh.has(badge));
    this.places = [...others, ...this.sight.among(this.placesOf(badges), false)];
    this.fresh.clear();
    this.show(badges);
  }

  /** Where badges may be. */
  private placesOf(badges: readonly Badge[]): Place[] {
    this.attach();
    // Read everything before writing. Otherwise each badge would force a layout of the page.
    const clips = new Clips();
    const rtl = getComputedStyle(document.documentElement).direction === "rtl";
    const measured = badges.map((badge) => {
      const { image } = badge;
      const whole = image.getBoundingClientRect();
      const box = clips.visiblePart(image, whole);
      const isVisible = image.checkVisibility({ opacityProperty: true, visibilityProperty: true });
      const anchor = isVisible ? badgeAnchor(box, this.look.corner, rtl) : undefined;
      return { badge, height: whole.height, box, anchor };
    });
    for (const { badge, box, height } of measured) badge.fit(box.right - box.left, height);
    return measured.flatMap(({ badge, box, anchor }) => {
      if (!anchor) return [];
      return { badge, url: badge.url, box, anchor, middle: middleOf(anchor, badge.size) };
    });
  }

  /** Show badges at their places, and hide those without one. */
  private show(badges: readonly Badge[]): void {
    const origin = this.host.getBoundingClientRect();
    const anchors = new Map<Badge, Anchor>();
    for (const place of this.places) {
      if (!hasSmallerCopy(place, this.places)) anchors.set(place.badge, place.anchor);
    }
    for (const badge of badges) {
      const at = anchors.get(badge);
      // Relative to the host, because the page may have moved its root element.
      badge.place(at && { ...at, x: at.x - origin.left, y: at.y - origin.top });
      this.veils.update(badge);
    }
  }

  private transparencyOf(layer: Layer): Transparency {
    const outcome = this.badges.get(layer.element)?.outcome;
    const format = outcome?.state === "classified" ? outcome.verdict.image.format : undefined;
    return this.transparencies.of(layer, format);
  }
}
