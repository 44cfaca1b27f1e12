/** Tells which pictures an element shows, whatever kind of element it is. */

import { backgroundsOf, drawnSize, isDecoration } from "./background";
import { naturalSize } from "./natural";
import { shorterSide, type Size } from "./positions";
import { largestVersion } from "./srcset";
import { isImageUrl, isWebUrl } from "./url";

/** Smallest natural width and height, in pixels, that the server accepts. */
const MIN_NATURAL = 64;

export interface Picture {
  /** The address of the largest version of it, without fragment. */
  url: string;
  /** The address of the version that is shown. */
  shownUrl: string;
  /** The own size of the shown version in pixels. Undefined: it must be measured. */
  natural: Size | undefined;
  /** The size in which it is shown, in CSS pixels. */
  shown: Size;
}

/** The pictures that an element shows, the topmost first. There may be smaller ones among them. */
export function* picturesOf(element: Element): Generator<Picture> {
  // The background of an image that is still loading is its placeholder.
  if (element instanceof HTMLImageElement && !element.complete) return;
  const box = element.getBoundingClientRect();
  const own = ownAddresses(element);
  if (own && isImageUrl(own.shownUrl)) {
    yield picture(own.url, own.shownUrl, naturalOf(element, own.shownUrl), box);
  }
  yield* backgroundPictures(element, box);
}

/** The first picture that is wanted. Those after it, such as backgrounds, are not looked for. */
export function firstOf(
  pictures: Iterable<Picture>,
  isWanted: (picture: Picture) => boolean,
): Picture | undefined {
  for (const picture of pictures) if (isWanted(picture)) return picture;
  return undefined;
}

/** Whether a picture is a placeholder, spacer or tracking pixel: a small file, often in a large box. */
export function isPlaceholder({ natural }: Picture): boolean {
  return natural !== undefined && shorterSide(natural) < MIN_NATURAL;
}

/** What the page calls an element, for people who do not see it. May be empty. */
export function nameOf(element: Element): string {
  const names = ["alt", "aria-label", "title"].map((name) => element.getAttribute(name)?.trim());
  return names.find(Boolean) ?? "";
}

function* backgroundPictures(element: Element, box: Size): Generator<Picture> {
  for (const background of backgroundsOf(element)) {
    const { url } = background;
    if (!isImageUrl(url)) continue;
    const area = background.box ?? box;
    const natural = naturalSize(url);
    if (!natural) {
      yield picture(url, url, undefined, area);
      continue;
    }
    const drawn = drawnSize(background, area, natural);
    if (isDecoration(background, area, drawn)) continue;
    const width = Math.min(drawn.width, area.width);
    const height = Math.min(drawn.height, area.height);
    yield picture(url, url, natural, { width, height });
  }
}

/** The addresses of an element's own image file: the largest version and the shown one. */
function ownAddresses(element: Element): { url: string; shownUrl: string } | undefined {
  if (element instanceof HTMLImageElement) {
    return { url: largestVersion(element), shownUrl: element.currentSrc || element.src };
  }
  const only = onlyAddress(element);
  return only === undefined ? undefined : { url: only, shownUrl: only };
}

function onlyAddress(element: Element): string | undefined {
  if (element instanceof HTMLInputElement) return element.type === "image" ? element.src : undefined;
  if (element instanceof HTMLVideoElement) return showsPoster(element) ? element.poster : undefined;
  if (element instanceof SVGImageElement) {
    const { href, baseURI } = element;
    return URL.canParse(href.baseVal, baseURI) ? new URL(href.baseVal, baseURI).href : undefined;
  }
  return undefined;
}

/** A poster is shown until the video plays for the first time. */
function showsPoster({ paused, currentTime }: HTMLVideoElement): boolean {
  return paused && currentTime === 0;
}

function naturalOf(element: Element, shownUrl: string): Size | undefined {
  if (!(element instanceof HTMLImageElement)) return naturalSize(shownUrl);
  return { width: element.naturalWidth, height: element.naturalHeight };
}

function picture(
  url: string,
  shownUrl: string,
  natural: Size | undefined,
  { width, height }: Size,
): Picture {
  const best = isImageUrl(url) ? url : shownUrl;
  const whole = isWebUrl(best) ? best.replace(/#.*$/s, "") : best;
  return { url: whole, shownUrl, natural, shown: { width, height } };
}
