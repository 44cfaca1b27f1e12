/** What a page asks of the service worker, and what the worker tells a page. */

import { browser } from "wxt/browser";
import { type Outcome, unavailable } from "./verdict";

/** Check an image by its URL. `again` asks the web anew, whatever any cache says. */
export interface CheckUrl {
  kind: "check-url";
  url: string;
  again?: boolean;
}

/** Check an image whose bytes the page has read: a data: URL, for messages carry only JSON. */
export interface CheckBytes {
  kind: "check-bytes";
  data: string;
}

/**
 * Read an image that the page may not read itself, and check its bytes. `mayAsk` lets the browser
 * ask the user for access to the image's site, which it does only right after a click.
 */
export interface CheckReading {
  kind: "check-reading";
  url: string;
  mayAsk?: boolean;
}

/** Open the options page, which a content script cannot. */
export interface OpenOptions {
  kind: "open-options";
}

export type CheckRequest = CheckUrl | CheckBytes | CheckReading;
export type PageRequest = CheckRequest | OpenOptions;

/** From the worker to a page: "Check image" was chosen for this address. */
export interface ShowCheck {
  kind: "show-check";
  /** Empty when the browser did not say; a very long data: URL, for one. */
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

/** The browser may end a worker at any time, and an update cuts old pages off; one can ask again. */
const INTERRUPTED = unavailable("interrupted");
