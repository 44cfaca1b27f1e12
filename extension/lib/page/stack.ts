/**
 * Finds out which picture is seen where several lie on top of each other. Many sites lay a
 * transparent picture over a photo: its badge would read as the photo's. Others show an image before
 * a blurred copy of it: it needs only one badge.
 */

import { firstOf, isPlaceholder, type Picture, picturesOf } from "./picture";
import { areaOf, type Box, commonArea } from "./positions";
import type { Transparency } from "./transparency";
import { isMedia } from "./tree";

/** Share of the larger box that two boxes at the same place have in common. */
const MIN_COMMON = 0.5;

/** Share of an element that its picture fills. What fills less is an icon. */
const MIN_FILLED = 0.5;

/** An element and the picture that it shows. */
export interface Layer {
  element: Element;
  picture: Picture;
}

/** Those of these elements that show a picture at about the same place as an element. */
export function layersAt(element: Element, among: readonly Element[]): Layer[] {
  return among.flatMap((each) => {
    const picture = areTogether(each, element) ? pictureOf(each) : undefined;
    return picture ? { element: each, picture } : [];
  });
}

/**
 * Whether an element's picture is seen, as far as the pictures at the same place tell. One that may
 * be transparent and lies over another one counts as not seen: nobody would know which of them a
 * badge is about. For the same reason the one below it has no badge.
 *
 * @param under the elements at a point of the element, the uppermost first
 * @param transparencyOf tells how transparent a picture is
 */
export function isSeen(
  element: Element,
  under: readonly Element[],
  transparencyOf: (layer: Layer) => Transparency,
): boolean {
  const level = under.indexOf(element);
  const above = layersAt(element, under.slice(0, Math.max(level, 0)));
  const below = layersAt(element, under.slice(level + 1));
  if (above.some((layer) => transparencyOf(layer) !== "clear")) return false;
  const picture = below.length > 0 ? pictureOf(element) : undefined;
  if (!picture) return true;
  const transparency = transparencyOf({ element, picture });
  if (transparency !== "unknown") return transparency === "opaque";
  // Below most images with a background there is their own preview.
  return below.every((layer) => !isMedia(layer.element) || layer.picture.url === picture.url);
}

/** A picture that is seen. */
export interface Shown {
  url: string;
  /** Its visible part. */
  box: Box;
}

/** Whether the same image is shown again at the same place, and smaller. */
export function hasSmallerCopy(picture: Shown, all: readonly Shown[]): boolean {
  return all.some((other) => {
    if (other === picture || other.url !== picture.url) return false;
    const size = areaOf(picture.box) - areaOf(other.box);
    const more = size || all.indexOf(picture) - all.indexOf(other);
    return more > 0 && commonArea(picture.box, other.box) > 0;
  });
}

/** The topmost picture that fills an element, if there is one. */
function pictureOf(element: Element): Picture | undefined {
  const least = areaOf(element.getBoundingClientRect()) * MIN_FILLED;
  return firstOf(picturesOf(element), (picture) => {
    return !isPlaceholder(picture) && picture.shown.width * picture.shown.height >= least;
  });
}

function areTogether(one: Element, other: Element): boolean {
  const [a, b] = [one.getBoundingClientRect(), other.getBoundingClientRect()];
  const common = commonArea(a, b);
  return common > 0 && common >= MIN_COMMON * Math.max(areaOf(a), areaOf(b));
}
