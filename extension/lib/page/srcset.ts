/** Finds the largest version of an image that a page offers. */

import { parseSrcset } from "srcset";

interface Version {
  url: string;
  /** Its width in pixels, or its density. A list has only one of them. */
  size: number;
}

/** The address of the largest version of the picture that an `<img>` shows. */
export function largestVersion(image: HTMLImageElement): string {
  const shown = image.currentSrc || image.src;
  const lists = [
    ...sourcesOf(image).map(({ srcset }) => versionsIn(srcset, image.baseURI)),
    [...versionsIn(image.srcset, image.baseURI), { url: image.src, size: 1 }],
  ];
  // The browser chose one source. The others may show a different picture.
  const chosen = lists.find((versions) => versions.some(({ url }) => url === shown)) ?? [];
  return chosen.reduce((best, next) => (next.size > best.size ? next : best), {
    url: shown,
    size: chosen.find(({ url }) => url === shown)?.size ?? 0,
  }).url;
}

function sourcesOf(image: HTMLImageElement): HTMLSourceElement[] {
  const { parentElement: parent } = image;
  if (!(parent instanceof HTMLPictureElement)) return [];
  return [...parent.children].filter((child) => child instanceof HTMLSourceElement);
}

function versionsIn(srcset: string, base: string): Version[] {
  return parseSrcset(srcset.replace(/\s+/g, " "))
    .filter(({ url }) => URL.canParse(url, base))
    .map(({ url, width, density }) => ({
      url: new URL(url, base).href,
      size: width ?? density ?? 1,
    }));
}
