/** Draws small pictures for the history. */

import { toDataUrl } from "./page/bytes";
import type { Size } from "./page/positions";

/** Largest width and height, in pixels. */
const MAX_SIDE = 96;

/**
 * Draw a small picture of an image file, as a data: URL. Undefined if the browser cannot decode it.
 *
 * @param size the image's own size in pixels
 */
export async function drawThumbnail(
  file: Blob,
  { width, height }: Size,
): Promise<string | undefined> {
  const scale = Math.min(1, MAX_SIDE / Math.max(width, height));
  try {
    // Unlike an element, the browser decodes and resizes a file beside the page's main thread.
    const bitmap = await createImageBitmap(file, {
      resizeWidth: Math.ceil(width * scale),
      resizeHeight: Math.ceil(height * scale),
      resizeQuality: "medium",
    });
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    canvas.getContext("bitmaprenderer")?.transferFromImageBitmap(bitmap);
    return await toDataUrl(await canvas.convertToBlob({ type: "image/webp" }));
  } catch {
    return undefined;
  }
}
