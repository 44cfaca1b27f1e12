/** Every word that people read: the messages of `_locales`, filled in. */

import { browser } from "wxt/browser";
import type { Evidence, Failure, Outcome, State, Verdict } from "./verdict";

/** The words of a message, or an empty text when no message has this name. */
export function say(name: string, ...parts: string[]): string {
  // Some names are put together from the server's codes, which no list of names can hold.
  const getMessage = browser.i18n.getMessage as (name: string, parts: string[]) => string;
  return getMessage(name, parts);
}

/** The language of the words, as a BCP 47 tag. */
export const language = (): string => say("language");

/** The direction in which the words run: ltr or rtl. */
export const direction = (): string => say("@@bidi_dir");

/** A probability in per cent; never 0 % or 100 %, for nothing measured is certain. */
export function percent(probability: number): string {
  const format = new Intl.NumberFormat(language(), { style: "percent" });
  if (probability < 0.01) return say("less_than", format.format(0.01));
  if (probability > 0.99) return say("more_than", format.format(0.99));
  return format.format(probability);
}

/** What a verdict tells, and what it does not. */
export function meaning({ label }: Verdict): string {
  return say(`meaning_${label}`);
}

/** The state in two or three words. */
export function stateWord(state: State): string {
  return say(`state_${state}`);
}

/** Why there is no verdict, in a few words. */
export function reason({ code }: Failure): string {
  return say(`reason_${code}`) || say("reason_other");
}

/** What the user can do about it. */
export function help({ code }: Failure): string {
  return say(`help_${code}`) || say("help_other");
}

/** What a badge says: a state, and a short addition to it. */
export function badgeWords(outcome: Outcome | undefined): { word: string; extra: string } {
  if (!outcome) return { word: stateWord("checking"), extra: "" };
  if (outcome.state === "unavailable") {
    return { word: stateWord("unavailable"), extra: reason(outcome.failure) };
  }
  const { label, probability } = outcome.verdict;
  // "3 %" beside "No sign of AI" would be read as doubt about the picture.
  return { word: stateWord(label), extra: label === "real" ? "" : percent(probability) };
}

/** A badge's name for screen readers: state, probability and which image. */
export function badgeName(outcome: Outcome | undefined, alt: string): string {
  const image = alt.trim() ? say("image_named", alt.trim()) : say("image_unnamed");
  if (!outcome) return say("name_checking", image);
  if (outcome.state === "unavailable") {
    return say("name_unavailable", reason(outcome.failure), image);
  }
  const { label, probability } = outcome.verdict;
  return say("name_judged", stateWord(label), percent(probability), image);
}

export function memberName(member: string): string {
  return say(`member_${member}`) || member;
}

/** An evidence's kind and how far it can be trusted. */
export function evidenceSource({ kind, trusted }: Evidence): string {
  return say(trusted ? "evidence_trusted" : "evidence_untrusted", say(`evidence_${kind}`) || kind);
}

/** What was judged, and which frame of it. */
export function judgedImage({ image }: Verdict): string {
  const size = say("judged", String(image.width), String(image.height), image.format.toUpperCase());
  return image.frames > 1 ? `${size} · ${say("judged_frame", String(image.frames))}` : size;
}

/** When it was judged. */
export function judgedAt({ checked_at }: Verdict): string {
  const at = new Date(checked_at);
  const when = Number.isNaN(at.getTime())
    ? checked_at
    : at.toLocaleString(language(), { dateStyle: "medium", timeStyle: "short" });
  return say("judged_at", when);
}
