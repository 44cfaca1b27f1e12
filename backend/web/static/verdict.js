/** Draws a result, as result.html does. */

import { bar, make, mark } from "./dom.js";
import { evidenceSource, meaningOf, memberName, moment, percent, stateOf, titleOf, words } from "./words.js";

/**
 * The parts of a result.
 * @param item an item of the API.
 * @param name what was checked.
 * @param member the one whose score is wanted alone, or "" for all together.
 * @param imageLink where the image is shown, or "".
 */
export function verdictParts(item, name, member, imageLink) {
  const { verdict } = item;
  const alone = verdict && member && Object.keys(verdict.members).join() !== member;
  return [
    make("h2", {}, ...(alone ? [memberName(member)] : [mark(stateOf(item)), titleOf(item)])),
    make("p", { class: "about" }, name),
    ...(imageLink ? [offerOfImage(imageLink)] : []),
    ...(alone ? memberLead(verdict.members[member]) : lead(item)),
    ...(verdict ? details(verdict) : []),
  ];
}

function offerOfImage(href) {
  const link = make("a", { href }, words.show_image);
  return make("p", { class: "hint" }, link, ` ${words.show_image_hint}`);
}

function lead(item) {
  if (item.error) {
    const isFile = item.url?.startsWith("sha256:");
    const hint = !isFile && words.not_fetched.includes(item.error.code) ? [words.choose_file] : [];
    return [make("p", { class: "lead" }, item.error.detail), ...hint.map((each) => make("p", {}, each))];
  }
  const meaning = make("p", {}, meaningOf(item));
  return item.verdict ? [...scale(item.verdict.probability), meaning] : [meaning];
}

function memberLead(score) {
  if (score === undefined) {
    return [make("p", {}, "This model was not asked, because the others were sure.")];
  }
  return [...scale(score), make("p", {}, "Only all models together give a verdict.")];
}

function scale(probability) {
  const number = make("strong", {}, percent(probability));
  return [make("p", { class: "lead" }, `${words.probability} `, number), bar(probability)];
}

function details({ members, evidence, similar, image, checked_at, model_version }) {
  const scores = Object.entries(members);
  const size = `${image.width} × ${image.height} pixels, ${image.format.toUpperCase()}`;
  const frames = image.frames > 1 ? ` · frame 1 of ${image.frames}` : "";
  const time = make("time", { datetime: checked_at }, moment(checked_at));
  return [
    make("h3", {}, words.members_heading),
    make("ul", { class: "members" }, ...scores.map((each) => memberRow(each, scores.length))),
    make("h3", {}, words.evidence_heading),
    evidence.length
      ? make("ul", { class: "evidence" }, ...evidence.map(evidenceRow))
      : make("p", {}, words.evidence_none),
    ...similarParts(similar ?? []),
    make("h3", {}, words.image_heading),
    make("p", {}, size + frames),
    make("p", {}, "Checked on ", time),
    make("p", {}, `Model ${model_version}`),
    make("p", { class: "hash" }, `SHA-256 ${image.sha256}`),
    make("p", { class: "caution" }, words.caution),
  ];
}

function memberRow([name, score], of) {
  const label = make("span", {}, memberName(name));
  // The verdict's own number is that of the model that judged alone.
  if (of === 1) return make("li", {}, label, make("span", { class: "alone" }, words.alone));
  return make("li", {}, label, bar(score), make("span", { class: "number" }, percent(score)));
}

const evidenceRow = (fact) =>
  make("li", {}, fact.detail, " ", make("small", {}, evidenceSource(fact)));

function similarParts(similar) {
  if (!similar.length) return [];
  return [
    make("h3", {}, words.similar_heading),
    make("ul", { class: "evidence" }, ...similar.map(similarRow)),
    make("p", {}, words.similar_caution),
  ];
}

function similarRow({ label, probability, checked_at }) {
  const time = make("small", {}, make("time", { datetime: checked_at }, moment(checked_at)));
  return make("li", {}, `${words.states[label]} ${percent(probability)} `, time);
}
