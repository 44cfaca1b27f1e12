/** The own sizes of images that no element of the page tells, such as backgrounds. */

import type { Size } from "./positions";

/** Largest number of sizes that are kept. */
const MAX_KNOWN = 1000;

const known = new Map<string, Size>();
const running = new Map<string, Promise<void>>();

/** The size in pixels of the image at an address, if it was measured. 0 × 0 if it is no image. */
export function naturalSize(url: string): Size | undefined {
  return known.get(url);
}

/** Measure the image at an address. The page shows it, so the browser has it already. */
export function measure(url: string): Promise<void> {
  const started = running.get(url);
  if (started) return started;
  const measured = load(url).then((size) => {
    if (known.size >= MAX_KNOWN) known.clear();
    known.set(url, size);
    running.delete(url);
  });
  running.set(url, measured);
  return measured;
}

async function load(url: string): Promise<Size> {
  const image = new Image();
  await new Promise((resolve) => {
    image.onload = image.onerror = resolve;
    image.src = url;
  });
  return { width: image.naturalWidth, height: image.naturalHeight };
}
