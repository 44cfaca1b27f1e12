/** The messages between pages and the service worker. */

import { browser } from "wxt/browser";
import { type Outcome, unavailable } from "./verdict";

/** Check an image by its URL. `again` fetches it again, without any cache. */
export interface CheckUrl {
  kind: "check-url";
  url: string;
  again?: boolean;
}

/** Check an image by its bytes, as a data: URL, because messages carry only JSON. */
export interface CheckBytes {
  kind: "check-bytes";
  data: string;
}

/**
 * Fetch an image in the service worker, and check its bytes. With `askPermission` the browser may
 * ask the user for access to the image's site. It does so only directly after a click.
 */
export interface CheckFetch {
  kind: "check-fetch";
  url: string;
  askPermission?: boolean;
}

/** Open the options page. A content script cannot do that itself. */
export interface OpenOptions {
  kind: "open-options";
}

export type CheckRequest = CheckUrl | CheckBytes | CheckFetch;
export type PageRequest = CheckRequest | OpenOptions;

/** From the worker to a page: the user chose "Check image" for this address. */
export interface ShowCheck {
  kind: "show-check";
  /** Empty if the browser did not report it, for example a very long data: URL. */
  url: string;
}

/** Ask the service worker for a check. */
export async function ask(request: CheckRequest): Promise<Outcome> {
  try {
    return (await browser.runtime.sendMessage<CheckRequest, Outcome>(request)) ?? INTERRUPTED;
  } catch {
    return INTERRUPTED;
  }
}

/** The browser may stop the worker at any time, and an update disconnects open pages. */
const INTERRUPTED = unavailable("interrupted");
