/** How transparent the images of a page are, as far as the page may read them. */

import { readInPage } from "./bytes";

/** `clear`: what lies below is seen rather than the image. */
export type Transparency = "clear" | "opaque" | "unknown";

/** Mean opacity, 0 to 1, below which an image is clear. A watermark over a photo is clear. */
const MIN_OPACITY = 0.25;

/** Formats without transparency. */
const OPAQUE_FORMATS = new Set(["jpeg", "bmp"]);

/** Width and height, in pixels, to which an image is reduced to measure it. */
const SAMPLE = 16;

export class Transparencies {
  private readonly known = new WeakMap<HTMLImageElement, { url: string; value: Transparency }>();

  /** @param onChange is called when one is known that was not before */
  constructor(private readonly onChange: () => void) {}

  /** @param format the image's format, if the server has told it */
  of(image: HTMLImageElement, format: string | undefined): Transparency {
    if (cssOpacity(image) < MIN_OPACITY) return "clear";
    if (format !== undefined && OPAQUE_FORMATS.has(format)) return "opaque";
    const url = image.currentSrc;
    const known = this.known.get(image);
    if (known?.url === url) return known.value;
    this.known.set(image, { url, value: "unknown" });
    void this.measure(image, url);
    return "unknown";
  }

  private async measure(image: HTMLImageElement, url: string): Promise<void> {
    const bytes = await readInPage(url, image);
    const opacity = bytes && (await meanOpacity(bytes).catch(() => undefined));
    if (opacity === undefined) return;
    this.known.set(image, { url, value: opacity < MIN_OPACITY ? "clear" : "opaque" });
    this.onChange();
  }
}

/** The opacity that styles give an element, 0 to 1. */
function cssOpacity(element: Element): number {
  let opacity = 1;
  for (let at: Element | null = element; at; at = at.parentElement) {
    opacity *= Number(getComputedStyle(at).opacity || 1);
  }
  return opacity;
}

/** The mean opacity of an image file, 0 to 1. */
async function meanOpacity(file: Blob): Promise<number> {
  const bitmap = await createImageBitmap(file, { resizeWidth: SAMPLE, resizeHeight: SAMPLE });
  const canvas = new OffscreenCanvas(SAMPLE, SAMPLE).getContext("2d")!;
  canvas.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data } = canvas.getImageData(0, 0, SAMPLE, SAMPLE);
  const alphas = data.filter((_, index) => index % 4 === 3);
  return alphas.reduce((sum, alpha) => sum + alpha, 0) / alphas.length / 255;
}
