/** All texts that users see: the messages of `_locales` with their values. */

import { browser } from "wxt/browser";
import { chosenPattern } from "./language";
import { deciderOf, isUnknown, retryTime, stateOf } from "./verdict";
import type { Evidence, Failure, Outcome, Verdict } from "./verdict";

/** Values that leave the places of values in a message. */
const PLACES = Array.from({ length: 9 }, (_, index) => `$${index + 1}`);

/** The messages of the browser's language. To ask the browser for each again would take longer. */
const patterns = new Map<string, string>();

/** The formats of percentages, by language. It takes long to make one. */
const percentages = new Map<string, Intl.NumberFormat>();

/** The text of a message, in the chosen language. Empty if there is no message of this name. */
export function text(name: string, ...parts: string[]): string {
  const pattern = chosenPattern(name) ?? browserPattern(name);
  if (parts.length === 0) return pattern;
  const values = direction() === "rtl" ? parts.map(isolate) : parts;
  return pattern.replace(/\$(\d)/g, (_, number: string) => values[Number(number) - 1] ?? "");
}

/** A message in the browser's language, with `$1` to `$9` in the places of its values. */
function browserPattern(name: string): string {
  // Some names contain error codes of the server, so they are not in the generated types.
  const getMessage = browser.i18n.getMessage as (name: string, parts: string[]) => string;
  return getOrMake(patterns, name, () => getMessage(name, PLACES));
}

function getOrMake<Value>(known: Map<string, Value>, key: string, make: () => Value): Value {
  const value = known.get(key) ?? make();
  known.set(key, value);
  return value;
}

/** Keep the order of a value's characters, such as of a version, in a text from right to left. */
function isolate(value: string): string {
  return `\u2068${value}\u2069`;
}

/** The language of the texts, as a BCP 47 tag. */
export const language = (): string => text("language");

/** The writing direction: ltr or rtl. */
export const direction = (): string => text("direction");

/** A count or size, without separators. */
export function number(value: number): string {
  return new Intl.NumberFormat(language(), { useGrouping: false }).format(value);
}

/** A probability in per cent. Never 0 % or 100 %, because no result is certain. */
export function percent(probability: number): string {
  const format = getOrMake(percentages, language(), () => {
    return new Intl.NumberFormat(language(), { style: "percent" });
  });
  if (probability < 0.01) return text("less_than", format.format(0.01));
  if (probability > 0.99) return text("more_than", format.format(0.99));
  return format.format(probability);
}

/** The meaning of a verdict, and its limits. */
export function meaning({ label, ownThreshold }: Verdict): string {
  if (ownThreshold !== undefined) return text("meaning_own_threshold", percent(ownThreshold));
  return text(`meaning_${label}`);
}

/** The reason for a missing verdict, in a few words. */
export function reason({ code }: Failure): string {
  return text(`reason_${code}`) || text("reason_other");
}

/** Advice for the user. */
export function help({ code }: Failure): string {
  return text(`help_${code}`) || text("help_other");
}

/** When the server is tried again. Empty if it is not. */
export function nextTry(outcome: Outcome | undefined): string {
  const time = retryTime(outcome);
  if (time === undefined) return "";
  return text("card_retry", new Date(time).toLocaleTimeString(language(), { timeStyle: "medium" }));
}

/** The name of an outcome's state. An uncertain verdict also says which way it leans. */
export function outcomeWord(outcome: Outcome | undefined): string {
  const state = stateOf(outcome);
  const lean = outcome?.state === "classified" ? outcome.verdict.lean : "none";
  return state === "uncertain" && lean !== "none" ? text(`leans_${lean}`) : text(`state_${state}`);
}

/** The text of a badge: the state, and a short addition. */
export function badgeWords(outcome: Outcome | undefined): { word: string; extra: string } {
  const word = outcomeWord(outcome);
  if (!outcome) return { word, extra: "" };
  if (isUnknown(outcome)) return { word, extra: "" };
  if (outcome.state === "unavailable") return { word, extra: reason(outcome.failure) };
  // A percentage next to "No sign of AI" would look like doubt.
  return { word, extra: outcome.verdict.label === "real" ? "" : basis(outcome.verdict) };
}

/**
 * What a label rests on, in a word: the probability, or what else decided. A low probability of the
 * pixels next to a label that a signature decided would look like a contradiction.
 */
export function basis(
  verdict: Pick<Verdict, "decided_by" | "ownThreshold" | "probability">,
): string {
  const decider = deciderOf(verdict);
  return decider ? text(`basis_${decider}`) : percent(verdict.probability);
}

/** A badge's accessible name: state, probability and image. */
export function badgeName(outcome: Outcome | undefined, alt: string): string {
  const image = alt.trim() ? text("image_named", alt.trim()) : text("image_unnamed");
  if (!outcome) return text("name_checking", image);
  if (isUnknown(outcome)) return text("name_unknown", image);
  if (outcome.state === "unavailable") {
    return text("name_unavailable", reason(outcome.failure), image);
  }
  const name = deciderOf(outcome.verdict) ? "name_decided" : "name_classified";
  return text(name, outcomeWord(outcome), basis(outcome.verdict), image);
}

export function memberName(member: string): string {
  return text(`member_${member}`) || member;
}

/** The kind of an evidence, and whether its signature is trusted. */
export function evidenceSource({ kind, trusted }: Evidence): string {
  return text(trusted ? "evidence_trusted" : "evidence_untrusted", text(`evidence_${kind}`) || kind);
}

/** What a fact says: in the user's language, or as the server says it if it is of an unknown kind. */
export function evidenceFacts({ origin, signer, generator, signed_at }: Evidence): string[] {
  const lead = origin && text(`origin_${origin}`);
  if (!lead) return [];
  return [
    lead,
    ...(signer ? [text("evidence_signer", signer)] : []),
    ...(signed_at ? [text("evidence_signed_at", when(signed_at))] : []),
    ...(generator ? [text("evidence_program", generator)] : []),
  ];
}

/** Size and format of the classified image, and its frame. */
export function imageSummary({ image }: Verdict): string {
  const size = text("image_size", number(image.width), number(image.height), image.format.toUpperCase());
  return image.frames > 1 ? `${size} · ${text("image_frame", number(image.frames))}` : size;
}

/** The time of the classification. */
export function checkedAt({ checked_at }: Verdict): string {
  return text("image_checked", when(checked_at));
}

/** A time of the server for people. What is no time stays as it is. */
export function when(time: string): string {
  const at = new Date(time);
  return Number.isNaN(at.getTime()) ? time : dateTime(at);
}

/** A date with its time. */
export function dateTime(at: Date): string {
  return at.toLocaleString(language(), { dateStyle: "medium", timeStyle: "short" });
}
