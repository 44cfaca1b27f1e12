/** The data types of the server's API, and their parsers. Unknown values are tolerated. */

export type Label = "ai" | "uncertain" | "real";

/** The likelier answer. */
export type Lean = "ai" | "none" | "real";

/** The state that a badge shows. */
export type State = "checking" | Label | "unavailable" | "unknown";

/** A fact found in the file itself. */
export interface Evidence {
  kind: string;
  says: string;
  detail: string;
  trusted: boolean;
}

export interface Verdict {
  label: Label;
  /** Which way an uncertain verdict leans. */
  lean: Lean;
  /** Calibrated probability that the image is AI-made, 0 to 1. */
  probability: number;
  /** Each member's own probability, by the member's name. */
  members: Record<string, number>;
  evidence: Evidence[];
  image: { sha256: string; width: number; height: number; format: string; frames: number };
  model_version: string;
  checked_at: string;
  expires_at: string;
}

/** The reason for a missing verdict: a code for programs, a sentence for people. */
export interface Failure {
  code: string;
  detail: string;
  /**
   * When the server is tried again, in milliseconds since the epoch. It is set if the fault is the
   * server's and not the image's.
   */
  retryAt?: number;
}

/** The result of a check. */
export type Outcome =
  { state: "classified"; verdict: Verdict } | { state: "unavailable"; failure: Failure };

/** One image of an answer. Without an outcome, the check is pending. */
export interface Item {
  url: string;
  outcome: Outcome | undefined;
}

/** An answer of `/v1/checks` or `/v1/images`. */
export interface Answer {
  id: string;
  items: Item[];
}

export function unavailable(code: string, detail = ""): Outcome {
  return { state: "unavailable", failure: { code, detail } };
}

/** No verdict, because the server has none and was not asked for one. */
export const UNKNOWN = unavailable("not_known");

/** Whether the image was looked up only, and the server has no verdict. */
export function isUnknown(outcome: Outcome | undefined): boolean {
  return outcome?.state === "unavailable" && outcome.failure.code === "not_known";
}

/** Whether a verdict is from a look-up by hash: it has no members, evidence or facts of the image. */
export function isLookedUp({ image }: Verdict): boolean {
  return image.sha256 === "";
}

export function stateOf(outcome: Outcome | undefined): State {
  if (!outcome) return "checking";
  if (isUnknown(outcome)) return "unknown";
  return outcome.state === "classified" ? outcome.verdict.label : "unavailable";
}

/** When a missing verdict is tried for again. Undefined if it is not, or if there is a verdict. */
export function retryTime(outcome: Outcome | undefined): number | undefined {
  return outcome?.state === "unavailable" ? outcome.failure.retryAt : undefined;
}

type Json = Record<string, unknown>;

function object(value: unknown): Json {
  return typeof value === "object" && value !== null ? (value as Json) : {};
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function count(value: unknown): number {
  return typeof value === "number" ? value : 0;
}

function isProbability(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value <= 1;
}

function readVerdict(raw: unknown): Verdict | undefined {
  const verdict = object(raw);
  if (!isProbability(verdict.probability)) return undefined;
  const image = object(verdict.image);
  const members = Object.entries(object(verdict.members)).filter(
    (entry): entry is [string, number] => isProbability(entry[1]),
  );
  return {
    // An unknown label of a newer server counts as uncertain.
    label: verdict.label === "ai" || verdict.label === "real" ? verdict.label : "uncertain",
    lean: verdict.lean === "ai" || verdict.lean === "real" ? verdict.lean : "none",
    probability: verdict.probability,
    members: Object.fromEntries(members),
    evidence: list(verdict.evidence).map((entry) => {
      const fact = object(entry);
      return {
        kind: text(fact.kind),
        says: text(fact.says),
        detail: text(fact.detail),
        trusted: fact.trusted === true,
      };
    }),
    image: {
      sha256: text(image.sha256),
      width: count(image.width),
      height: count(image.height),
      format: text(image.format),
      frames: count(image.frames),
    },
    model_version: text(verdict.model_version),
    checked_at: text(verdict.checked_at),
    expires_at: text(verdict.expires_at),
  };
}

function readItem(raw: unknown): Item {
  const item = object(raw);
  const url = text(item.url);
  if (item.status === "pending") return { url, outcome: undefined };
  if (item.status === "failed") {
    const error = object(item.error);
    return { url, outcome: unavailable(text(error.code) || "internal", text(error.detail)) };
  }
  const verdict = readVerdict(item.verdict);
  return { url, outcome: verdict ? { state: "classified", verdict } : unavailable("not_assay") };
}

/** Parse an answer's body. Returns undefined if it is invalid. */
export function readAnswer(raw: unknown): Answer | undefined {
  const answer = object(raw);
  if (!Array.isArray(answer.items)) return undefined;
  return { id: text(answer.id), items: answer.items.map(readItem) };
}

/** The share from which an uncertain verdict leans to AI. The same distance to 0 leans to real. */
const LEANS_FROM = 0.6;

function leanOf(label: Label, probability: number): Lean {
  if (label !== "uncertain") return label;
  if (probability >= LEANS_FROM) return "ai";
  return probability <= 1 - LEANS_FROM ? "real" : "none";
}

/** Parse an answer of `/v1/lookups/{prefix}`: verdicts by the hash of the URL. Undefined if invalid. */
export function readLookup(raw: unknown): Map<string, Verdict> | undefined {
  const { verdicts } = object(raw);
  if (!Array.isArray(verdicts)) return undefined;
  const found = new Map<string, Verdict>();
  for (const each of verdicts) {
    const verdict = readVerdict(each);
    if (!verdict) continue;
    const lean = leanOf(verdict.label, verdict.probability);
    found.set(text(object(each).hash), { ...verdict, lean });
  }
  return found;
}
