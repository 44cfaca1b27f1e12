/** How transparent the pictures of a page are, as far as the page may read them. */

import { readInPage } from "./bytes";
import type { Layer } from "./stack";
import { parentOf } from "./tree";

/** `clear`: what lies below is seen rather than the image. */
export type Transparency = "clear" | "opaque" | "unknown";

/** Mean opacity, 0 to 1, below which an image is clear. A watermark over a photo is clear. */
const MIN_OPACITY = 0.25;

/** Formats without transparency. */
const OPAQUE_FORMATS = new Set(["jpeg", "bmp"]);

/** Width and height, in pixels, to which an image is reduced to measure it. */
const SAMPLE = 16;

interface Known {
  url: string;
  value: Transparency;
  measured: Promise<void>;
}

export class Transparencies {
  private readonly known = new WeakMap<Element, Known>();

  /** @param onChange is called when one is known that was not before */
  constructor(private readonly onChange: () => void) {}

  /**
   * How transparent a picture is, as far as it is known now.
   *
   * @param format the picture's format, if the server has told it
   */
  of(layer: Layer, format?: string): Transparency {
    if (cssOpacity(layer.element) < MIN_OPACITY) return "clear";
    if (format !== undefined && OPAQUE_FORMATS.has(format)) return "opaque";
    return this.fileOf(layer).value;
  }

  /** How transparent a picture is, once its file has been read. */
  async measured(layer: Layer): Promise<Transparency> {
    await this.fileOf(layer).measured;
    return this.of(layer);
  }

  private fileOf({ element, picture }: Layer): Known {
    const url = picture.shownUrl;
    const known = this.known.get(element);
    if (known?.url === url) return known;
    const file: Known = { url, value: "unknown", measured: Promise.resolve() };
    file.measured = this.measure(file, element);
    this.known.set(element, file);
    return file;
  }

  private async measure(file: Known, element: Element): Promise<void> {
    const bytes = await readInPage(file.url, element);
    const opacity = bytes && (await meanOpacity(bytes).catch(() => undefined));
    if (opacity === undefined) return;
    file.value = opacity < MIN_OPACITY ? "clear" : "opaque";
    this.onChange();
  }
}

/** The opacity that styles give an element, 0 to 1. */
function cssOpacity(element: Element): number {
  let opacity = 1;
  for (let at: Element | null = element; at; at = parentOf(at)) {
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
