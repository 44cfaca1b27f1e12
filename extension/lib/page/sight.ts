/**
 * Tells which images are seen where their badges are. To ask the browser what lies at a point takes
 * up to a millisecond on a large page, so it is asked again only where something may have changed.
 */

import type { Badge } from "./badge";
import { type Anchor, type Box, isCovered, type Point } from "./positions";
import { isSeen, type Layer } from "./stack";
import type { Transparency } from "./transparency";
import { elementsAt } from "./tree";

/** Least milliseconds between two looks at all places. */
export const PAUSE = 100;

/** Milliseconds of work in each tick, while nothing changes as far as events tell. */
const TICK_WORK = 1;

/** Where a badge may be. */
export interface Place {
  badge: Badge;
  url: string;
  /** The visible part of the image. */
  box: Box;
  anchor: Anchor;
  /** The middle of the badge. */
  middle: Point;
}

/** What was seen, and for which box and middle. */
interface Known {
  at: string;
  isSeen: boolean;
}

export class Sight {
  private readonly known = new WeakMap<Badge, Known>();
  private isStale = false;
  private lastFull = -PAUSE;
  /** Counts the places that were looked at in ticks, so that each has its turn. */
  private turn = 0;

  constructor(private readonly transparencyOf: (layer: Layer) => Transparency) {}

  /** All places are to be looked at again: the page has changed, or more is known about it. */
  expire(): void {
    this.isStale = true;
  }

  /**
   * More is known about a badge's image. If it is seen already, that stays so: a format tells of an
   * image at most that nothing shines through.
   */
  learned(badge: Badge): void {
    if (!this.known.get(badge)?.isSeen) this.known.delete(badge);
  }

  /** The places where the image is seen. @param isTick whether some time has passed */
  seen(places: readonly Place[], isTick: boolean): Place[] {
    const now = performance.now();
    const isFull = this.isStale && now - this.lastFull >= PAUSE;
    if (isFull) {
      this.isStale = false;
      this.lastFull = now;
    }
    const shown = this.among(places, isFull);
    if (!isTick || isFull) return shown;
    this.lookAround(places);
    return this.among(places, false);
  }

  /** Those of some places where the image is seen. @param anew whether to look at all again */
  among(places: readonly Place[], anew: boolean): Place[] {
    return places.filter((place) => {
      if (anew || this.known.get(place.badge)?.at !== keyOf(place)) this.look(place);
      return this.known.get(place.badge)!.isSeen;
    });
  }

  /** Styles and scripts may cover an image without an event. Look at one after the other. */
  private lookAround(places: readonly Place[]): void {
    const end = performance.now() + TICK_WORK;
    for (let count = 0; count < places.length; count++) {
      this.look(places[this.turn++ % places.length]!);
      if (performance.now() > end) break;
    }
  }

  private look(place: Place): void {
    const { image } = place.badge;
    const under = isInView(place.middle) ? [...elementsAt(place.middle.x, place.middle.y)] : [];
    const seen = !isCovered(image, under) && isSeen(image, under, this.transparencyOf);
    this.known.set(place.badge, { at: keyOf(place), isSeen: seen });
  }
}

/** Whether the browser can tell what lies at a point. */
function isInView({ x, y }: Point): boolean {
  return x >= 0 && y >= 0 && x < innerWidth && y < innerHeight;
}

function keyOf({ box, middle }: Place): string {
  return [box.left, box.top, box.right, box.bottom, middle.x, middle.y].join(" ");
}
