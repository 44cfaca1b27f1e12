/** Checks one image: by its address, or by its file in this browser. */

import { ask, type CheckBytes, type CheckBytesNow, explain, type Explained } from "../messages";
import { type Outcome, unavailable } from "../verdict";
import { isWebUrl } from "./url";
import { readInPage, toDataUrl } from "./bytes";

/** The image to check. */
export interface Subject {
  /** Any address: http(s), data: or blob:. */
  url: string;
  /** The element that shows it, if it was found. */
  image: Element | undefined;
}

/** Largest file that the server accepts (20 MiB). */
const MAX_BYTES = 20 * 2 ** 20;

/** Failures of the server to fetch a file that this browser may have. */
const NOT_FETCHED = new Set([
  "bad_url",
  "blocked_address",
  "connect_failure",
  "dns_failure",
  "http_status",
  "not_an_image",
  "timeout",
  "too_many_redirects",
]);

/** Whether the file may be read in this browser, because the server could not fetch it. */
export function canReadLocally(outcome: Outcome): boolean {
  return outcome.state === "unavailable" && NOT_FETCHED.has(outcome.failure.code);
}

/**
 * Check an image for its badge: by its address, or by its file if it has no address on the web.
 *
 * @param byUser whether the user asked for the check
 */
export async function checkForBadge({ url, image }: Subject, byUser: boolean): Promise<Outcome> {
  const asked = byUser ? { asked: true } : {};
  if (isWebUrl(url)) return ask({ kind: "check-url", url, ...asked });
  const bytes = await readInPage(url, image);
  return bytes ? checkBytes(bytes, { kind: "check-bytes", ...asked }) : unavailable("unreadable");
}

/**
 * Check an image at the user's request: by its address. If the server cannot fetch it, check its
 * file.
 */
export async function checkImage({ url, image }: Subject, again: boolean): Promise<Outcome> {
  if (!url) return unavailable("no_image");
  if (!isWebUrl(url)) return checkFile({ url, image }, again);
  const outcome = await ask({ kind: "check-now", url, again });
  if (!canReadLocally(outcome)) return outcome;
  return checkFile({ url, image });
}

/** Read an image's file in this browser and check its bytes, at the user's request. */
export async function checkFile({ url, image }: Subject, again = false): Promise<Outcome> {
  const bytes = await readInPage(url, image);
  if (bytes) return checkBytes(bytes, { kind: "check-bytes-now", again });
  return isWebUrl(url) ? ask({ kind: "check-fetch", url }) : unavailable("unreadable");
}

/** Request access to the image's site, then fetch and check it. Call it from a click. */
export function checkWithPermission({ url }: Subject): Promise<Outcome> {
  return ask({ kind: "check-fetch", url, askPermission: true });
}

/**
 * Draw where an image looks AI-made, at the user's request: by its address. If the server cannot
 * fetch it, send its file, as a check does.
 *
 * @param sha256 of the judged file. No other one is sent.
 */
export async function explainImage({ url, image }: Subject, sha256: string): Promise<Explained> {
  const kind = "explain";
  const isWeb = isWebUrl(url);
  const fetched = isWeb ? await explain({ kind, sha256, url }) : undefined;
  if (fetched && fetched.failure?.code !== "not_at_hand") return fetched;
  const bytes = await readInPage(url, image);
  if (bytes) return explain({ kind, sha256, data: await toDataUrl(bytes) });
  if (!fetched) return { sentences: [], failure: { code: "unreadable", detail: "" } };
  const local = await explain({ kind, sha256, url, isLocal: true });
  return local.picture ? local : fetched;
}

async function checkBytes(
  bytes: Blob,
  request: Omit<CheckBytes, "data"> | Omit<CheckBytesNow, "data">,
): Promise<Outcome> {
  if (bytes.size > MAX_BYTES) return unavailable("too_large");
  return ask({ ...request, data: await toDataUrl(bytes) });
}
