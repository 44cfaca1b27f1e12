/**
 * Finds out which image is seen where several pictures lie on top of each other. Many sites lay a
 * transparent picture over a photo: its badge would read as the photo's.
 */

import type { Transparency } from "./transparency";

/** Smallest natural width and height, in pixels, of a picture. Smaller files are placeholders. */
const MIN_NATURAL = 64;

/** Share of the larger box that two boxes at the same place have in common. */
const MIN_COMMON = 0.5;

/**
 * Whether an image is seen, as far as the pictures at the same place tell. An image that may be
 * transparent and lies over another one counts as not seen: nobody would know which of them a badge
 * is about. For the same reason the image below it has no badge.
 *
 * @param under the elements at a point of the image, the uppermost first
 * @param transparencyOf tells how transparent an image is
 */
export function isSeen(
  image: HTMLImageElement,
  under: readonly Element[],
  transparencyOf: (image: HTMLImageElement) => Transparency,
): boolean {
  const pictures = under.filter((each) => each === image || isPictureAt(each, image));
  const level = pictures.indexOf(image);
  const [above, below] = [pictures.slice(0, Math.max(level, 0)), pictures.slice(level + 1)];
  if (above.filter(isImage).some((each) => transparencyOf(each) !== "clear")) return false;
  if (below.length === 0) return true;
  const own = transparencyOf(image);
  // Below most images with a background there is their own preview.
  return own === "opaque" || (own === "unknown" && !below.some(isImage));
}

function isImage(element: Element): element is HTMLImageElement {
  return element instanceof HTMLImageElement;
}

/** Whether an element shows a picture at about the same place as an image. */
function isPictureAt(element: Element, image: HTMLImageElement): boolean {
  const [one, other] = [element.getBoundingClientRect(), image.getBoundingClientRect()];
  return areTogether(one, other) && hasPicture(element);
}

function hasPicture(element: Element): boolean {
  if (isImage(element)) return Math.min(element.naturalWidth, element.naturalHeight) >= MIN_NATURAL;
  return /url\("?https?:/.test(getComputedStyle(element).backgroundImage);
}

function areTogether(one: DOMRect, other: DOMRect): boolean {
  const width = Math.min(one.right, other.right) - Math.max(one.left, other.left);
  const height = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
  const largest = Math.max(one.width * one.height, other.width * other.height);
  return width > 0 && height > 0 && width * height >= MIN_COMMON * largest;
}
