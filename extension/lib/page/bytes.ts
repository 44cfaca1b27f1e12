/** Reads an image's bytes in the page, with its origin, cookies and blob: URLs. */

/** Fetch the file at an address. If that fails, encode the pixels of the `<img>` that shows it. */
export async function readInPage(
  url: string,
  image: Element | undefined,
): Promise<Blob | undefined> {
  const file = await readFile(url);
  if (file || !(image instanceof HTMLImageElement) || image.currentSrc !== url) return file;
  return readPixels(image);
}

/** Read the file that an image shows, if the page has it from its own site and it costs no request. */
export async function readCached({ currentSrc }: HTMLImageElement): Promise<Blob | undefined> {
  return readFile(currentSrc, { mode: "same-origin", cache: "only-if-cached" });
}

/** Encode bytes as a data: URL, because messages to the service worker carry only JSON. */
export async function toDataUrl(bytes: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result as string);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(bytes);
  });
}

/**
 * Decode a data: URL in base64. Unlike `fetch`, no content security policy of the page can forbid it.
 */
export function fromDataUrl(data: string): Blob {
  const letters = atob(data.slice(data.indexOf(",") + 1));
  return new Blob([Uint8Array.from(letters, (letter) => letter.charCodeAt(0))]);
}

async function readFile(
  url: string,
  how: RequestInit = { cache: "force-cache" },
): Promise<Blob | undefined> {
  try {
    const response = await fetch(url, how);
    return response.ok ? await response.blob() : undefined;
  } catch {
    return undefined; // Another origin without CORS, or a revoked blob: URL.
  }
}

/** Pages often revoke a blob: URL after its image has loaded. Its pixels can still be drawn. */
async function readPixels(image: HTMLImageElement): Promise<Blob | undefined> {
  const canvas = document.createElement("canvas");
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  try {
    canvas.getContext("2d")?.drawImage(image, 0, 0);
    return await new Promise((resolve) => canvas.toBlob((png) => resolve(png ?? undefined)));
  } catch {
    return undefined; // The pixels of an image from another origin cannot be read.
  }
}
