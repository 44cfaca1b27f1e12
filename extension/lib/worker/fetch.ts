/** Fetches an image with this browser's cookies and network, if the server cannot reach it. */

import { browser } from "wxt/browser";
import { hostPattern } from "../settings";

/** An image could not be fetched. The code is the name of a reason in the messages. */
export class FetchError extends Error {
  constructor(readonly code: "unreadable" | "access_needed") {
    super(code);
  }
}

/**
 * Fetch an image as the page would.
 *
 * @param askPermission whether to ask the user for access to the image's site
 * @throws FetchError the extension has no access to the site, or the site returned an error.
 */
export async function fetchImage(url: string, askPermission: boolean): Promise<Blob> {
  const access = { origins: [hostPattern(url)] };
  // Request the permission first. An `await` before it would use up the user's click.
  const granted = askPermission
    ? await browser.permissions.request(access).catch(() => false)
    : await browser.permissions.contains(access);
  if (!granted) throw new FetchError("access_needed");
  try {
    const response = await fetch(url, { credentials: "include", cache: "force-cache" });
    if (response.ok) return await response.blob();
  } catch {
    // Scripts cannot see the reason.
  }
  throw new FetchError("unreadable");
}
