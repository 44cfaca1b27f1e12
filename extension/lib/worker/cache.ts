/** A cache of outcomes in the browser's session storage. */

import { browser } from "wxt/browser";
import type { Outcome } from "../verdict";

/** Longest time that a verdict is cached, in ms. */
const VERDICT_AGE = 60 * 60 * 1000;

/** Longest time that a failure of an image is cached, in ms. */
const FAILURE_AGE = 60 * 1000;

/** Failures of the server at one image, not of the image. They are not cached. */
const NOT_CACHED = new Set(["internal", "not_assay"]);

interface CachedOutcome {
  outcome: Outcome;
  /** Milliseconds since the epoch. */
  until: number;
}

const PREFIX = "outcome:";

const keyOf = (url: string) => PREFIX + url;

export async function getCached(url: string): Promise<Outcome | undefined> {
  const key = keyOf(url);
  const found: Record<string, CachedOutcome> = await browser.storage.session.get(key);
  const cached = found[key];
  return cached && cached.until > Date.now() ? cached.outcome : undefined;
}

export async function putCached(url: string, outcome: Outcome): Promise<void> {
  const until = Date.now() + ageOf(outcome);
  if (until <= Date.now()) return;
  const entry = { [keyOf(url)]: { outcome, until } satisfies CachedOutcome };
  try {
    await browser.storage.session.set(entry);
  } catch {
    // The session storage is full. The server has its own cache, so clear this one.
    await clearCache();
  }
}

export async function clearCache(): Promise<void> {
  const keys = Object.keys(await browser.storage.session.get(null));
  await browser.storage.session.remove(keys.filter((key) => key.startsWith(PREFIX)));
}

function ageOf(outcome: Outcome): number {
  if (outcome.state === "unavailable") return NOT_CACHED.has(outcome.failure.code) ? 0 : FAILURE_AGE;
  const left = Date.parse(outcome.verdict.expires_at) - Date.now();
  return Number.isNaN(left) ? 0 : Math.min(left, VERDICT_AGE);
}
