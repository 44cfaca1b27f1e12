/** Verdicts and outcomes, and the parsers of the server's answers. Unknown values are tolerated. */

import type { components } from "./api-types";

export type Schemas = components["schemas"];
export type Label = Schemas["Label"];
export type Thresholds = Schemas["LabelThresholds"];

/** The likelier answer. */
export type Lean = Schemas["Verdict"]["lean"];

/** The state that a badge shows. */
export type State = "checking" | Label | "unavailable" | "unknown";

/** A fact found in the file itself. Newer servers may claim more than we know. */
export interface Evidence extends Pick<Schemas["Evidence"], "kind" | "detail" | "trusted"> {
  says: string;
  /** How the image came into being. Empty, as all that follows, if it is not known. */
  origin: string;
  signer: string;
  /** The program that made the image. */
  generator: string;
  /** A time as in RFC 3339. */
  signed_at: string;
}

/** An image with a verdict that looks like the judged one. */
export type Similar = Pick<Schemas["SimilarImage"], "label" | "probability" | "checked_at">;

/** What is used of a verdict. */
export interface Verdict
  extends Pick<
    Schemas["Verdict"],
    | "label"
    | "lean"
    | "probability"
    | "decided_by"
    | "members"
    | "model_version"
    | "checked_at"
    | "expires_at"
  > {
  evidence: Evidence[];
  similar: Similar[];
  image: Pick<Schemas["ImageFacts"], "sha256" | "width" | "height" | "format" | "frames">;
  /** The user's own threshold, if only it is why the label is not "ai". */
  ownThreshold?: number;
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

/** Outcomes that are new, by the places of their images in the request. */
export type News = ReadonlyMap<number, Outcome>;

export function classified(verdict: Verdict): Outcome {
  return { state: "classified", verdict };
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

/** What set the label, if it was not the pixels' probability and no threshold of the user. */
export function deciderOf({
  decided_by,
  ownThreshold,
}: Pick<Verdict, "decided_by" | "ownThreshold">): "credentials" | "marks" | undefined {
  // Verdicts in the history of older versions have no `decided_by`.
  if (ownThreshold !== undefined || !DECIDERS.includes(decided_by)) return undefined;
  return decided_by === "pixels" ? undefined : decided_by;
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

/** What stands in for fields that are missing or of the wrong type. */
const NO_FACT: Evidence = {
  kind: "",
  says: "",
  detail: "",
  trusted: false,
  origin: "",
  signer: "",
  generator: "",
  signed_at: "",
};
const NO_SIMILAR: Similar = { label: "uncertain", probability: NaN, checked_at: "" };
const NO_VERDICT: Omit<Verdict, "members" | "evidence" | "similar"> = {
  label: "uncertain",
  lean: "none",
  probability: NaN,
  decided_by: "pixels",
  image: { sha256: "", width: 0, height: 0, format: "", frames: 0 },
  model_version: "",
  checked_at: "",
  expires_at: "",
};
/** The labels and leans that claim something. */
const CLAIMS: readonly unknown[] = ["ai", "real"];

/** What decides labels, as far as there are words for it. */
const DECIDERS: readonly unknown[] = ["pixels", "credentials", "marks"];

function object(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function isProbability(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value <= 1;
}

/** Take the fields of a pattern from untrusted JSON, where they have the pattern's types. */
function like<Pattern extends object>(pattern: Pattern, raw: unknown): Pattern {
  const found = object(raw);
  const fields = Object.entries(pattern).map(([name, other]: [string, unknown]) => {
    const value = found[name];
    if (typeof other === "object" && other !== null) return [name, like(other, value)];
    return [name, typeof value === typeof other ? value : other];
  });
  return Object.fromEntries(fields) as Pattern;
}

function readVerdict(raw: unknown): Verdict | undefined {
  const { members, evidence, similar } = object(raw);
  const verdict = like(NO_VERDICT, raw);
  if (!isProbability(verdict.probability)) return undefined;
  return {
    ...verdict,
    label: labelOf(verdict),
    decided_by: DECIDERS.includes(verdict.decided_by) ? verdict.decided_by : NO_VERDICT.decided_by,
    lean: CLAIMS.includes(verdict.lean) ? verdict.lean : NO_VERDICT.lean,
    members: Object.fromEntries(
      Object.entries(object(members)).filter((entry): entry is [string, number] =>
        isProbability(entry[1]),
      ),
    ),
    evidence: Array.isArray(evidence) ? evidence.map((fact) => like(NO_FACT, fact)) : [],
    similar: Array.isArray(similar) ? similar.map(readSimilar).filter(isJudged) : [],
  };
}

function readSimilar(raw: unknown): Similar {
  const found = like(NO_SIMILAR, raw);
  return { ...found, label: labelOf(found) };
}

function isJudged({ probability }: Similar): boolean {
  return isProbability(probability);
}

/** An unknown label of a newer server counts as uncertain. */
function labelOf({ label }: { label: Label }): Label {
  return CLAIMS.includes(label) ? label : "uncertain";
}

function readItem(raw: unknown): Item {
  const { url, status, verdict, error } = object(raw);
  const item = { url: text(url), outcome: undefined };
  if (status === "pending") return item;
  if (status === "failed") {
    const { code, detail } = like({ code: "", detail: "" }, error);
    return { ...item, outcome: unavailable(code || "internal", detail) };
  }
  const found = readVerdict(verdict);
  return { ...item, outcome: found ? classified(found) : unavailable("not_assay") };
}

/** Parse an answer's body. Returns undefined if it is invalid. */
export function readAnswer(raw: unknown): Answer | undefined {
  const { id, items } = object(raw);
  return Array.isArray(items) ? { id: text(id), items: items.map(readItem) } : undefined;
}

/** Parse the data of an `item` event: the outcome of one image, and its place in the request. */
export function readNews(data: string): [number, Outcome] {
  const raw: unknown = JSON.parse(data);
  const { index } = like({ index: NaN }, raw);
  return [index, readItem(raw).outcome ?? unavailable("not_assay")];
}

/** Parse the thresholds of `/readyz`. Undefined if an older server does not tell them. */
export function readThresholds(raw: unknown): Thresholds | undefined {
  const thresholds = like({ real: NaN, ai: NaN }, object(raw).thresholds);
  return Object.values(thresholds).every(isProbability) ? thresholds : undefined;
}

/** The share from which an uncertain verdict leans to AI. The same distance to 0 leans to real. */
const LEANS_FROM = 0.6;

export function leanOf(label: Label, probability: number): Lean {
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

/** Parse an answer of `/v1/images/{sha256}/explanation/text`. */
export function readSentences(raw: unknown): string[] {
  const { sentences } = object(raw);
  return Array.isArray(sentences) ? sentences.filter((each) => typeof each === "string") : [];
}
