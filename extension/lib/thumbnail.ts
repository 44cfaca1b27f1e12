/** Draws small pictures for the history. */

import { toDataUrl } from "./page/bytes";

/** Largest width and height, in pixels. */
const MAX_SIDE = 96;

/**
 * Draw a small picture of an image that is already in memory, as a data: URL. Undefined if scripts
 * may not read its pixels.
 */
export async function drawThumbnail(
  image: HTMLImageElement | ImageBitmap,
): Promise<string | undefined> {
  const { width, height } =
    image instanceof ImageBitmap
      ? image
      : { width: image.naturalWidth, height: image.naturalHeight };
  const scale = Math.min(1, MAX_SIDE / Math.max(width, height));
  try {
    const canvas = new OffscreenCanvas(Math.ceil(width * scale), Math.ceil(height * scale));
    canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await toDataUrl(await canvas.convertToBlob({ type: "image/webp" }));
  } catch {
    return undefined; // The image is from another origin, or empty.
  }
}
