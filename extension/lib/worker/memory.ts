/** What the browser's session remembers of outcomes, so that a known image has its badge at once. */

import { browser } from "wxt/browser";
import type { Outcome } from "../verdict";

/** Longest that a verdict is believed without asking the server, in ms. */
const VERDICT_AGE = 60 * 60 * 1000;

/** Longest that the failure of an image is believed, in ms. */
const FAILURE_AGE = 60 * 1000;

/** Failures of the way to the image's verdict, not of the image: the next look may find it well. */
const PASSING = new Set([
  "interrupted",
  "internal",
  "not_assay",
  "overloaded",
  "server_error",
  "server_not_ready",
  "server_refused",
  "server_unreachable",
]);

interface Remembered {
  outcome: Outcome;
  /** Milliseconds since the epoch. */
  until: number;
}

const keyOf = (url: string) => `outcome:${url}`;

export async function recall(url: string): Promise<Outcome | undefined> {
  const key = keyOf(url);
  const found: Record<string, Remembered> = await browser.storage.session.get(key);
  const remembered = found[key];
  return remembered && remembered.until > Date.now() ? remembered.outcome : undefined;
}

export async function remember(url: string, outcome: Outcome): Promise<void> {
  const until = Date.now() + ageOf(outcome);
  if (until <= Date.now()) return;
  const entry = { [keyOf(url)]: { outcome, until } satisfies Remembered };
  try {
    await browser.storage.session.set(entry);
  } catch {
    // The session's few megabytes are full. The server has it all, so begin anew.
    await forgetAll();
  }
}

export async function forgetAll(): Promise<void> {
  await browser.storage.session.clear();
}

function ageOf(outcome: Outcome): number {
  if (outcome.state === "unavailable") return PASSING.has(outcome.failure.code) ? 0 : FAILURE_AGE;
  const left = Date.parse(outcome.verdict.expires_at) - Date.now();
  return Number.isNaN(left) ? 0 : Math.min(left, VERDICT_AGE);
}
