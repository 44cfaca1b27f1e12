/** Blurs or hides images that are likely AI-made, until the user reveals them. */

import type { Look } from "../settings";
import { stateOf } from "../verdict";
import type { Badge } from "./badge";
import { isMedia, mediaIn } from "./tree";

/** An image is blurred by this share of its shorter side. What is in it cannot be recognised then. */
const BLUR = 0.1;

/** Least blur, in CSS pixels. */
const MIN_BLUR = 16;

/** The properties of an image's own style that a veil sets. */
const PROPERTIES = ["filter", "clip-path"] as const;

export class Veils {
  private kind: Look["flagged"] = "show";
  /** The veiled images, and what lifts their veils. */
  private readonly lifts = new Map<Element, () => void>();
  /** The addresses of the images that the user has revealed. */
  private readonly revealed = new WeakMap<Element, string>();

  setKind(kind: Look["flagged"]): void {
    if (kind === this.kind) return;
    this.kind = kind;
    for (const image of [...this.lifts.keys()]) this.lift(image);
  }

  /** Veil a badge's image, or show it. Without a visible badge, nobody could reveal it. */
  update(badge: Badge): void {
    const { image } = badge;
    if (!this.isMeant(badge)) this.lift(image);
    else if (badge.isPlaced && !this.lifts.has(image)) this.cover(image);
    badge.setVeiled(this.lifts.has(image));
  }

  /** Reveal a badge's image for good. Returns whether it was veiled. */
  reveal(badge: Badge): boolean {
    if (!this.lifts.has(badge.image)) return false;
    this.revealed.set(badge.image, badge.url);
    this.update(badge);
    return true;
  }

  lift(image: Element): void {
    this.lifts.get(image)?.();
    this.lifts.delete(image);
  }

  private isMeant({ image, wanted, url }: Badge): boolean {
    if (this.kind === "show" || stateOf(wanted) !== "ai" || !isAlone(image)) return false;
    return this.revealed.get(image) !== url;
  }

  private cover(image: Element): void {
    if (!(image instanceof HTMLElement || image instanceof SVGElement)) return;
    const { style } = image;
    const before = PROPERTIES.map((name) => ({
      name,
      value: style.getPropertyValue(name),
      priority: style.getPropertyPriority(name),
    }));
    const hadStyle = image.hasAttribute("style");
    style.setProperty("filter", this.filterFor(image), "important");
    // Blurred edges stay within the image.
    style.setProperty("clip-path", "inset(0)", "important");
    this.lifts.set(image, () => {
      for (const { name, value, priority } of before) style.setProperty(name, value, priority);
      if (!hadStyle && style.length === 0) image.removeAttribute("style");
    });
  }

  private filterFor(image: Element): string {
    // The property "opacity" would have the badge hidden, too.
    if (this.kind === "hide") return "opacity(0)";
    const { width, height } = image.getBoundingClientRect();
    return `blur(${Math.round(Math.max(MIN_BLUR, Math.min(width, height) * BLUR))}px)`;
  }
}

/** Whether a veil over an element hides nothing but its picture. A background may have text on it. */
function isAlone(element: Element): boolean {
  return isMedia(element) || (!element.textContent.trim() && mediaIn(element).length === 0);
}
