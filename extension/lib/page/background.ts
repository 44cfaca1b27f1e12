/** Tells which image files an element has as its CSS backgrounds. */

import type { Size } from "./positions";

/** A background image. All values are computed values of CSS. */
export interface Background {
  /** The address of its largest version. */
  url: string;
  /** The values of background-size, -position-x, -position-y and -repeat. */
  size: string;
  x: string;
  y: string;
  repeat: string;
  /** The box of the pseudo-element that shows it. Undefined: the element's own box. */
  box: Size | undefined;
}

/** The parts of a CSS list: strings, parentheses, commas, and everything between them. */
const TOKENS = /"(?:[^"\\]+|\\.)*"|[(),]|[^"(),]+/gs;

/** An address with its density, if there is one. */
const ADDRESS = /url\("((?:[^"\\]+|\\.)*)"\)(?:\s+([\d.]+)(?:x|dppx))?/gs;

/** Whether an element has any background image file. This needs no layout. */
export function hasBackground(element: Element): boolean {
  return stylesOf(element).some(({ backgroundImage }) => backgroundImage.includes("url("));
}

/** The background image files of an element and its pseudo-elements, topmost layer first. */
export function backgroundsOf(element: Element): Background[] {
  return stylesOf(element).flatMap((style, index) => {
    const box = index === 0 ? undefined : sizeOf(style);
    return split(style.backgroundImage).flatMap((image, layer) => {
      const url = largestAddress(image);
      if (!url) return [];
      return {
        url,
        size: nth(style.backgroundSize, layer),
        x: nth(style.backgroundPositionX, layer),
        y: nth(style.backgroundPositionY, layer),
        repeat: nth(style.backgroundRepeat, layer),
        box,
      };
    });
  });
}

/** The size in which a background of this natural size is drawn in a box. */
export function drawnSize({ size }: Background, box: Size, natural: Size): Size {
  const scales = [box.width / natural.width, box.height / natural.height];
  if (size === "cover") return scaled(natural, Math.max(...scales));
  if (size === "contain") return scaled(natural, Math.min(...scales));
  const [first = "auto", second = "auto"] = size.split(" ");
  const [width, height] = [lengthOf(first, box.width), lengthOf(second, box.height)];
  const ratio = natural.width / natural.height;
  return {
    width: width ?? (height === undefined ? natural.width : height * ratio),
    height: height ?? (width === undefined ? natural.height : width / ratio),
  };
}

/**
 * Whether a background is part of the page's design and no picture: a sheet of small images of which
 * the box shows one, or a small pattern that repeats.
 */
export function isDecoration(background: Background, box: Size, drawn: Size): boolean {
  const { size, x, y, repeat } = background;
  if (size === "cover") return false;
  const tiled = repeat !== "no-repeat" && drawn.width * drawn.height * 4 <= box.width * box.height;
  const shifted = (position: string) => !/^(?:0|50|100)%$/.test(position);
  const isSheet =
    (drawn.width >= box.width * 2 && shifted(x)) || (drawn.height >= box.height * 2 && shifted(y));
  return tiled || isSheet;
}

/** The styles of an element and of its pseudo-elements that may be filled with an image. */
function stylesOf(element: Element): CSSStyleDeclaration[] {
  const own = getComputedStyle(element);
  // Such a pseudo-element is usually laid over its element, which therefore is positioned. Asking for
  // those of all elements would take too long.
  if (own.position === "static") return [own];
  const pseudo = ["::before", "::after"].map((name) => getComputedStyle(element, name));
  return [own, ...pseudo.filter(({ content }) => content !== "none" && content !== "normal")];
}

function sizeOf({ width, height }: CSSStyleDeclaration): Size {
  return { width: Number.parseFloat(width) || 0, height: Number.parseFloat(height) || 0 };
}

/** The address in one layer. `image-set()` has several: the one with the highest density. */
function largestAddress(layer: string): string | undefined {
  const versions = [...layer.matchAll(ADDRESS)].map(([, address = "", density = "1"]) => ({
    address: address.replace(/\\(.)/gs, "$1"),
    density: Number(density),
  }));
  return versions.sort((a, b) => b.density - a.density)[0]?.address;
}

/** Split a list of CSS at the commas that are neither in parentheses nor in strings. */
function split(list: string): string[] {
  const parts = [""];
  let depth = 0;
  for (const [token] of list.matchAll(TOKENS)) {
    if (token === "(") depth++;
    if (token === ")") depth--;
    if (token === "," && depth === 0) parts.push("");
    else parts[parts.length - 1] += token;
  }
  return parts.map((part) => part.trim());
}

/** The value of a layer. A shorter list repeats. */
function nth(list: string, layer: number): string {
  const values = split(list);
  return values[layer % values.length]!;
}

function lengthOf(value: string, whole: number): number | undefined {
  if (value === "auto") return undefined;
  return (Number.parseFloat(value) * (value.endsWith("%") ? whole : 100)) / 100;
}

function scaled({ width, height }: Size, scale: number): Size {
  return { width: width * scale, height: height * scale };
}
