/** Reads an image's bytes as the page itself could: with its origin, its cookies, its blob: URLs. */

/** Read the file behind an address, or else the pixels that an element shows of it. */
export async function readInPage(
  url: string,
  image: HTMLImageElement | undefined,
): Promise<Blob | undefined> {
  return (await readFile(url)) ?? (image && (await readPixels(image)));
}

/** Write bytes as a data: URL, for messages to the service worker carry only JSON. */
export async function toDataUrl(bytes: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result as string);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(bytes);
  });
}

async function readFile(url: string): Promise<Blob | undefined> {
  try {
    const response = await fetch(url, { cache: "force-cache" });
    return response.ok ? await response.blob() : undefined;
  } catch {
    return undefined; // Another origin that shares with nobody, or a blob: URL revoked since.
  }
}

/** Pages often revoke a blob: URL once its image is shown; its pixels can still be drawn. */
async function readPixels(image: HTMLImageElement): Promise<Blob | undefined> {
  const canvas = document.createElement("canvas");
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  try {
    canvas.getContext("2d")?.drawImage(image, 0, 0);
    return await new Promise((resolve) => canvas.toBlob((png) => resolve(png ?? undefined)));
  } catch {
    return undefined; // The pixels of another origin's image may be seen, not read.
  }
}
