/** Where on the page a badge and a card go. All lengths are CSS pixels of the viewport. */

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

interface Size {
  width: number;
  height: number;
}

/** From an image's edge to its badge. */
const INSET = 8;

/** The least that must be seen of an image, each way, for a badge to be about it. */
const LEAST_SEEN = 48;

/** From the viewport's edge to a card. */
const MARGIN = 12;

function intersection(a: Box, b: Box): Box {
  return {
    left: Math.max(a.left, b.left),
    top: Math.max(a.top, b.top),
    right: Math.min(a.right, b.right),
    bottom: Math.min(a.bottom, b.bottom),
  };
}

/** The ancestors that cut off what reaches beyond them. */
export function clippersOf(image: Element): Element[] {
  const clippers: Element[] = [];
  let position = getComputedStyle(image).position;
  for (let at = image.parentElement; at && at !== document.body; at = at.parentElement) {
    // What is fixed is laid out by the viewport: nothing on the way up cuts it off.
    if (position === "fixed") break;
    const style = getComputedStyle(at);
    if (/auto|clip|hidden|scroll/.test(style.overflow)) clippers.push(at);
    position = style.position;
  }
  return clippers;
}

/** The part of an image that its ancestors let be seen. */
export function visibleBox(image: Element, clippers: readonly Element[]): Box {
  return clippers
    .map((clipper) => clipper.getBoundingClientRect())
    .reduce<Box>(intersection, image.getBoundingClientRect());
}

/** The top left corner of a badge at the start of what is seen of an image, if enough is. */
export function badgeCorner(seen: Box, badgeWidth: number, rtl: boolean): Point | undefined {
  if (seen.right - seen.left < LEAST_SEEN || seen.bottom - seen.top < LEAST_SEEN) return undefined;
  const x = rtl ? seen.right - INSET - badgeWidth : seen.left + INSET;
  return { x, y: seen.top + INSET };
}

/**
 * The top left corner of a card about something: beside it, below or above where there is room, and
 * always within the viewport.
 */
export function cardCorner(about: Box, card: Size, viewport: Size): Point {
  const most = {
    x: Math.max(MARGIN, viewport.width - MARGIN - card.width),
    y: Math.max(MARGIN, viewport.height - MARGIN - card.height),
  };
  const within = (point: Point): Point => ({
    x: Math.min(Math.max(point.x, MARGIN), most.x),
    y: Math.min(Math.max(point.y, MARGIN), most.y),
  });
  if (about.right + MARGIN <= most.x) return within({ x: about.right + MARGIN, y: about.top });
  const before = about.left - MARGIN - card.width;
  if (before >= MARGIN) return within({ x: before, y: about.top });
  if (about.bottom + MARGIN <= most.y) return within({ x: about.left, y: about.bottom + MARGIN });
  return within({ x: about.left + INSET, y: about.top + INSET });
}

/**
 * Whether something that floats over the page hides an image at a point: a bar that sticks, a
 * window. A caption or a link laid over an image does not; it belongs to the image.
 */
export function isCovered(image: Element, { x, y }: Point, ours: Element): boolean {
  const top = document.elementsFromPoint(x, y).find((element) => element !== ours);
  for (let at: Element | null = top ?? null; at && !at.contains(image); at = at.parentElement) {
    if (/^(fixed|sticky)$/.test(getComputedStyle(at).position)) return true;
    if (at.matches(":modal, :popover-open")) return true;
  }
  return false;
}
