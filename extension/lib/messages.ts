/** The messages between pages and the service worker. */

import { browser } from "wxt/browser";
import { type Failure, type Outcome, type Schemas, unavailable } from "./verdict";

/** Check an image by its URL, to show a badge. */
export interface CheckUrl {
  kind: "check-url";
  url: string;
  /** Whether the user asked for it, so that its address may be sent in spite of private look-ups. */
  asked?: boolean;
}

/** Check an image by its URL because the user asked for it. `again`: without any cache. */
export interface CheckNow {
  kind: "check-now";
  url: string;
  again: boolean;
}

/** The page no longer shows an image that it has asked about with `check-url`. */
export interface Cancel {
  kind: "cancel";
  url: string;
}

/** Check an image by its bytes, to show a badge. */
export interface CheckBytes {
  kind: "check-bytes";
  /** The bytes as a data: URL, because messages carry only JSON. */
  data: string;
  /** Whether the user asked for it, so that its bytes may be sent in spite of private look-ups. */
  asked?: boolean;
}

/** Check an image by its bytes because the user asked for it. `again`: without the cache. */
export interface CheckBytesNow {
  kind: "check-bytes-now";
  /** The bytes as a data: URL. */
  data: string;
  again: boolean;
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

/** Tell the server that a verdict is wrong, because the user said so. */
export interface Contest extends Pick<Schemas["FeedbackBody"], "says"> {
  kind: "contest";
  /** Any address. Only one of the web is sent. */
  url: string;
  /** The hash of the judged file. Empty if it is unknown. */
  sha256: string;
  /** How the user knows. May be empty. */
  comment: string;
}

/** The worker's answer to `contest`. Without a failure, the server has the feedback. */
export interface Contested {
  failure?: Failure | undefined;
}

/**
 * Draw where an image looks AI-made, because the user asked for it. Either the server fetches it from
 * `url`, or the file is sent: that in `data`, or with `isLocal` the one that the worker fetches.
 */
export interface Explain {
  kind: "explain";
  /** The hash of the judged file. */
  sha256: string;
  url?: string;
  isLocal?: boolean;
  /** The bytes as a data: URL. */
  data?: string;
}

/** The worker's answer to `explain`. */
export interface Explained {
  /** A PNG as a data: URL. */
  picture?: string;
  /** What the verdict rests on, in English. Empty if the server did not tell. */
  sentences: string[];
  /** Why there is no picture. */
  failure?: Failure;
}

/** Open the options page. A content script cannot do that itself. */
export interface OpenOptions {
  kind: "open-options";
}

/** From the options page: the server works. */
export interface ServerWorks {
  kind: "server-works";
}

export type CheckRequest = CheckUrl | CheckNow | CheckBytes | CheckBytesNow | CheckFetch;
export type WorkerRequest = CheckRequest | Contest | Explain | Cancel | OpenOptions | ServerWorks;

/** From the worker to a page: the user chose "Check image" for this address. */
export interface ShowCheck {
  kind: "show-check";
  /** Empty if the browser did not report it, for example a very long data: URL. */
  url: string;
}

/** From the worker to all pages: check the images again that the server could not check. */
export interface TryAgain {
  kind: "try-again";
}

/** To all frames of a page: check all images, although badges may be off. */
export interface CheckPage {
  kind: "check-page";
}

/** From the worker to a page: the user wants the image at this address checked. */
export interface CheckLink {
  kind: "check-link";
  url: string;
}

/**
 * From the worker to all frames of a page: check the image in focus or under the pointer. The frame
 * that has it replies.
 */
export interface CheckPointed {
  kind: "check-pointed";
}

/** From the worker to a page: tell the user that no frame has an image to check. */
export interface ShowNone {
  kind: "show-none";
}

/** To a page: reply with a small picture of the image that it shows. */
export interface GetThumbnail {
  kind: "get-thumbnail";
  url: string;
  /** Whether the image has a badge, if it is there. */
  hasBadge: boolean;
}

export type PageMessage =
  ShowCheck | TryAgain | CheckPage | CheckLink | CheckPointed | ShowNone | GetThumbnail;

/** How often a check is asked for. The browser may stop the worker at any time. */
const ATTEMPTS = 3;

/** Ask the service worker for a check. */
export async function ask(request: CheckRequest): Promise<Outcome> {
  return (await send<Outcome>(request)) ?? unavailable("interrupted");
}

/** Have the service worker contest a verdict. Returns why that failed, if it did. */
export async function contest(request: Contest): Promise<Failure | undefined> {
  const { failure } = (await send<Contested>(request)) ?? {
    failure: { code: "interrupted", detail: "" },
  };
  return failure;
}

/** Have the service worker get an explanation. */
export async function explain(request: Explain): Promise<Explained> {
  const interrupted = { sentences: [], failure: { code: "interrupted", detail: "" } };
  return (await send<Explained>(request)) ?? interrupted;
}

async function send<Answer>(request: CheckRequest | Contest | Explain): Promise<Answer | undefined> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    try {
      const answer = await browser.runtime.sendMessage<WorkerRequest, Answer>(request);
      if (answer) return answer;
    } catch {
      // The worker was stopped before it answered. The next message starts it again.
    }
  }
  return undefined;
}

/** Tell the service worker something. */
export async function tell(request: Cancel | OpenOptions | ServerWorks): Promise<void> {
  try {
    await browser.runtime.sendMessage(request);
  } catch {
    // An update of the extension disconnects open pages.
  }
}
