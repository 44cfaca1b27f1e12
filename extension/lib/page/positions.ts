/** Positions of badges and cards. All lengths are CSS pixels of the viewport. */

import type { Corner } from "../settings";
import { parentOf } from "./tree";

export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

export interface Point {
  x: number;
  y: number;
}

export interface Size {
  width: number;
  height: number;
}

export function shorterSide({ width, height }: Size): number {
  return Math.min(width, height);
}

/** Distance from an image's edge to its badge. */
const INSET = 8;

/** Smallest visible width and height of an image with a badge. */
const MIN_VISIBLE = 48;

/** Distance from the viewport's edge to a card. */
const MARGIN = 12;

const EVERYWHERE: Box = { left: -Infinity, top: -Infinity, right: Infinity, bottom: Infinity };

function intersection(a: Box, b: Box): Box {
  return {
    left: Math.max(a.left, b.left),
    top: Math.max(a.top, b.top),
    right: Math.min(a.right, b.right),
    bottom: Math.min(a.bottom, b.bottom),
  };
}

/** The area that two boxes have in common. */
export function commonArea(a: Box, b: Box): number {
  return areaOf(intersection(a, b));
}

export function areaOf({ left, top, right, bottom }: Box): number {
  return Math.max(right - left, 0) * Math.max(bottom - top, 0);
}

/** What the ancestors of elements leave visible of them. It holds as long as nothing moves. */
export class Clips {
  /** The parts in which elements show their content. */
  private readonly known = new Map<Element, Box>();

  /** The visible part of an element with this box. */
  visiblePart(element: Element, box: Box): Box {
    // Ancestors do not clip a fixed element.
    if (getComputedStyle(element).position === "fixed") return box;
    return intersection(box, this.within(parentOf(element)));
  }

  private within(element: Element | null): Box {
    if (!element || element === document.body) return EVERYWHERE;
    const known = this.known.get(element);
    if (known) return known;
    const { overflow, position } = getComputedStyle(element);
    const around = position === "fixed" ? EVERYWHERE : this.within(parentOf(element));
    const isClipper = /auto|clip|hidden|scroll/.test(overflow);
    const part = isClipper ? intersection(element.getBoundingClientRect(), around) : around;
    this.known.set(element, part);
    return part;
  }
}

/** Where a badge is: a point, and the badge's corner at it. A badge that opens keeps that corner. */
export interface Anchor extends Point {
  right: boolean;
  bottom: boolean;
}

/** The anchor of a badge in the visible part of an image, if that is large enough. */
export function badgeAnchor(seen: Box, corner: Corner, rtl: boolean): Anchor | undefined {
  if (seen.right - seen.left < MIN_VISIBLE || seen.bottom - seen.top < MIN_VISIBLE) return undefined;
  const bottom = corner.startsWith("bottom");
  const right = corner.endsWith("end") !== rtl;
  return {
    x: right ? seen.right - INSET : seen.left + INSET,
    y: bottom ? seen.bottom - INSET : seen.top + INSET,
    right,
    bottom,
  };
}

/** The middle of a badge at an anchor. */
export function middleOf({ x, y, right, bottom }: Anchor, { width, height }: Size): Point {
  return { x: x + (right ? -width : width) / 2, y: y + (bottom ? -height : height) / 2 };
}

/**
 * The top left corner of a card for a box: to its right, left or below, if there is room, else on
 * the box. It is always within the viewport.
 */
export function cardCorner(about: Box, card: Size, viewport: Size): Point {
  const most = lastCorner(card, viewport);
  const within = (point: Point): Point => cornerWithin(point, card, viewport);
  if (about.right + MARGIN <= most.x) return within({ x: about.right + MARGIN, y: about.top });
  const before = about.left - MARGIN - card.width;
  if (before >= MARGIN) return within({ x: before, y: about.top });
  if (about.bottom + MARGIN <= most.y) return within({ x: about.left, y: about.bottom + MARGIN });
  return within({ x: about.left + INSET, y: about.top + INSET });
}

/** The corner of a card of this size next to a point, so that the card is within the viewport. */
export function cornerWithin({ x, y }: Point, card: Size, viewport: Size): Point {
  const most = lastCorner(card, viewport);
  return { x: Math.min(Math.max(x, MARGIN), most.x), y: Math.min(Math.max(y, MARGIN), most.y) };
}

/** The lowest and rightmost corner of a card within the viewport. */
function lastCorner(card: Size, viewport: Size): Point {
  return {
    x: Math.max(MARGIN, viewport.width - MARGIN - card.width),
    y: Math.max(MARGIN, viewport.height - MARGIN - card.height),
  };
}

/**
 * Whether a floating element, such as a sticky bar or a dialog, covers an image at a point. Captions
 * and links over an image do not count.
 *
 * @param under the elements at the point, the uppermost first
 */
export function isCovered(image: Element, under: readonly Element[]): boolean {
  const around = new Set<Element>();
  for (let at: Element | null = image; at; at = parentOf(at)) around.add(at);
  for (let at: Element | null = under[0] ?? null; at && !around.has(at); at = parentOf(at)) {
    if (/^(fixed|sticky)$/.test(getComputedStyle(at).position)) return true;
    if (at.matches(":modal, :popover-open")) return true;
  }
  return false;
}
