/** A check that the user asked for, of one image: by its address, or by the file as shown here. */

import { ask } from "../messages";
import { type Outcome, unavailable } from "../verdict";
import { isWeb } from "./address";
import { readInPage, toDataUrl } from "./bytes";

/** An image that the user pointed at. */
export interface Subject {
  /** Any address: http(s), data: or blob:. */
  url: string;
  /** The element that shows it, where one was found. */
  image: HTMLImageElement | undefined;
}

/** Bytes that the server takes (20 MiB). */
const MOST_BYTES = 20 * 2 ** 20;

/** What stopped the server on its way to a file that this browser has already shown. */
const STOPPED_ON_THE_WAY = new Set([
  "bad_url",
  "blocked_address",
  "connect_failure",
  "dns_failure",
  "http_status",
  "not_an_image",
  "timeout",
  "too_many_redirects",
]);

/** Whether the file as shown here may be judged, although the server could not fetch it. */
export function mayReadHere(outcome: Outcome): boolean {
  return outcome.state === "unavailable" && STOPPED_ON_THE_WAY.has(outcome.failure.code);
}

/** Check an image: by its address, and by its file where the server cannot have it. */
export async function inspect({ url, image }: Subject, again: boolean): Promise<Outcome> {
  if (!isWeb(url)) return inspectFile({ url, image });
  const outcome = await ask({ kind: "check-url", url, again });
  if (!mayReadHere(outcome)) return outcome;
  return inspectFile({ url, image });
}

/** Read an image's file in this browser and have its bytes checked. */
export async function inspectFile({ url, image }: Subject): Promise<Outcome> {
  const bytes = await readInPage(url, image);
  if (bytes && bytes.size > MOST_BYTES) return unavailable("too_large");
  if (bytes) return ask({ kind: "check-bytes", data: await toDataUrl(bytes) });
  if (isWeb(url)) return ask({ kind: "check-reading", url });
  return unavailable("unreadable");
}

/** Ask the user for access to the image's site, then read and check it. Call it on a click. */
export function inspectWithAccess({ url }: Subject): Promise<Outcome> {
  return ask({ kind: "check-reading", url, mayAsk: true });
}
