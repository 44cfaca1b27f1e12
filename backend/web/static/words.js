/** The words of a verdict: those that the server embedded in the page, with their values. */

export const words = JSON.parse(document.querySelector("#words").textContent);

const STATES = { pending: "checking", failed: "unavailable" };

/** What a result shows: its label, `checking` or `unavailable`. */
export const stateOf = (item) => item.verdict?.label ?? STATES[item.status];

/** The verdict in a few words. If it is uncertain, they say which way it leans. */
export function titleOf(item) {
  const state = stateOf(item);
  const leaning = state === "uncertain" && words.leans[item.verdict.lean];
  return leaning || words.states[state];
}

/** What the verdict means: what decided it, if it was not the pixels. */
export function meaningOf(item) {
  const { decided_by, pixels } = item.verdict ?? {};
  const decision = words.decisions[decided_by];
  if (!decision) return words.meanings[stateOf(item)];
  return pixels ? `${decision} ${words.pixels_alone} ${words.states[pixels]}.` : decision;
}

export const memberName = (name) => words.members[name] ?? name;

/** The kind of an evidence, and whether its signature is trusted. */
export const evidenceSource = ({ kind, trusted }) =>
  `${words.evidence[kind] ?? kind}, ${words.signatures[trusted ? "trusted" : "untrusted"]}`;

const PER_CENT = new Intl.NumberFormat("en", { style: "percent" });

/** A part of a whole, in per cent. */
export const share = (part) => PER_CENT.format(part);

/** A probability in per cent; never 0% or 100%, because no verdict is certain. */
export function percent(probability) {
  if (probability < 0.01) return "< 1%";
  return probability > 0.99 ? "> 99%" : PER_CENT.format(probability);
}

/** A number with separators. */
export const count = (number) => number.toLocaleString("en");

/** A time of the API, in the user's time zone. */
export const moment = (time) =>
  new Date(time).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
