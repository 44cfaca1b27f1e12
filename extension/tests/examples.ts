/** Outcomes and verdicts for the tests. */

import type { Evidence, Outcome, Verdict } from "../lib/verdict";

/** A verdict, as the server sends it. */
export function verdict(change: Partial<Verdict> = {}): Verdict {
  return {
    label: "ai",
    lean: "none",
    probability: 0.93,
    decided_by: "pixels",
    members: { cnn: 0.9, efficientnet: 0.95, efficientnet_art: 0.88 },
    evidence: [],
    similar: [],
    image: { sha256: "ab".repeat(32), width: 640, height: 480, format: "jpeg", frames: 1 },
    model_version: "test-1",
    checked_at: "2026-11-22T15:30:00Z",
    expires_at: new Date(Date.now() + 86_400_000).toISOString(),
    ...change,
  };
}

/** A fact in the file, signed by nobody who is known. */
export function fact(change: Partial<Evidence> = {}): Evidence {
  const unknown = { origin: "", signer: "", generator: "", signed_at: "" };
  return { kind: "c2pa", says: "ai", detail: "Made by Example.", trusted: false, ...unknown, ...change };
}

export function classified(change: Partial<Verdict> = {}): Outcome {
  return { state: "classified", verdict: verdict(change) };
}

export function doneItem(url: string, change: Partial<Verdict> = {}): object {
  return { url, status: "done", verdict: verdict(change) };
}

export function failedItem(url: string, code: string, detail = ""): object {
  return { url, status: "failed", error: { code, detail } };
}
