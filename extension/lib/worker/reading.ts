/** Reads an image with this browser's own cookies and network, for the server may not reach it. */

import { browser } from "wxt/browser";
import { hostPattern } from "../settings";

/** Why an image could not be read; the name of a reason in the messages. */
export class ReadingError extends Error {
  constructor(readonly code: "unreadable" | "access_needed") {
    super(code);
  }
}

/**
 * Read an image as the page sees it.
 *
 * @param mayAsk whether the user may be asked for access to the image's site
 * @throws ReadingError access to the site is not granted, or it does not give the image.
 */
export async function readImage(url: string, mayAsk: boolean): Promise<Blob> {
  const access = { origins: [hostPattern(url)] };
  // Asking must come first: an `await` before it would use up the user's click.
  const granted = mayAsk
    ? await browser.permissions.request(access).catch(() => false)
    : await browser.permissions.contains(access);
  if (!granted) throw new ReadingError("access_needed");
  try {
    const response = await fetch(url, { credentials: "include", cache: "force-cache" });
    if (response.ok) return await response.blob();
  } catch {
    // The reason is hidden from scripts: unreachable, or refused by the site.
  }
  throw new ReadingError("unreadable");
}
