/** The card with the details of one outcome, next to its image. */

import { make } from "../dom";
import type { Explained } from "../messages";
import {
  deciderOf,
  isLookedUp,
  type Outcome,
  type Similar,
  stateOf,
  type Verdict,
} from "../verdict";
import * as i18n from "../i18n";
import { button } from "./button";
import { copy } from "./clipboard";
import { Explanation } from "./explanation";
import { FeedbackForm } from "./feedback";
import { drawMark } from "./mark";
import { type Box, cardCorner, cornerWithin, type Point, type Size } from "./positions";

/** An action that a card offers. The main one is a large button, with a note below it. */
export interface Action {
  name: string;
  note?: string;
  isMain?: boolean;
  run: () => void;
}

/** What the card shows. */
export interface Content {
  /** Undefined: the image is being checked. */
  outcome: Outcome | undefined;
  actions?: readonly Action[];
  /** Whether a larger version was judged than the page shows. */
  isLarger?: boolean;
  /** Asks where the image looks AI-made, if that can be asked. */
  explain?: (() => Promise<Explained>) | undefined;
}

export class Card {
  private readonly mark = make("span", "");
  private readonly title = make("h2", "");
  /** A live region: screen readers announce its changes. */
  private readonly summary = make("div", "summary");
  private readonly details = make("div", "");
  private readonly explaining = make("div", "");
  private readonly actions = make("div", "");
  /** A live region for what became of an action. */
  private readonly status = make("p", "status");
  private readonly nextTry = make("p", "next");
  private readonly caution = make("span", "");
  private readonly closer = button("close", "×", () => this.close());
  private readonly options: HTMLButtonElement;
  /** A modal dialog. The browser manages the focus and closes it on Escape. */
  private readonly dialog: HTMLDialogElement;
  /** What is shown where there is no form. */
  private offered: readonly Action[] = [];
  private explanation: Explanation | undefined;
  private form: FeedbackForm | undefined;

  constructor(onOptions: () => void) {
    this.title.id = "title";
    this.title.tabIndex = -1;
    this.title.setAttribute("aria-live", "polite");
    this.summary.setAttribute("role", "status");
    this.status.setAttribute("role", "status");
    this.options = button("link", "", onOptions);
    const body = make(
      "div",
      "body",
      make("header", "", this.mark, this.title, this.closer),
      this.summary,
      this.details,
      this.explaining,
      this.actions,
      this.status,
      this.nextTry,
      make("footer", "", this.caution, this.options),
    );
    this.dialog = make("dialog", "card", body);
    this.dialog.setAttribute("aria-labelledby", this.title.id);
    this.dialog.addEventListener("click", ({ target }) => {
      // The body fills the dialog, so a click on the dialog itself is outside of the card.
      if (target === this.dialog) this.close();
    });
    this.localise();
  }

  /** Show what is the same for all outcomes in the chosen language. */
  localise(): void {
    this.dialog.dir = i18n.direction();
    this.closer.ariaLabel = this.closer.title = i18n.text("card_close");
    this.options.textContent = i18n.text("card_options");
  }

  /** Open the card next to a box, with the state "checking". */
  open(root: ShadowRoot, about: Box): void {
    if (this.dialog.parentNode !== root) root.append(this.dialog);
    this.show({ outcome: undefined });
    if (!this.dialog.open) this.dialog.showModal();
    this.title.focus();
    this.place(about);
  }

  close(): void {
    this.dialog.close();
  }

  /** Show an outcome, or the state "checking". What was opened for an older one goes. */
  show(content: Content): void {
    const { explain } = content;
    this.form = undefined;
    this.explanation = explain && new Explanation(explain, () => this.keepInView());
    this.explaining.replaceChildren(...(this.explanation ? [this.explanation.element] : []));
    this.status.textContent = "";
    this.update(content);
  }

  /** Show the same outcome in other words. What the user has opened and entered stays. */
  update({ outcome, actions = [], isLarger = false }: Content): void {
    const state = stateOf(outcome);
    this.dialog.dataset.state = state;
    this.mark.replaceChildren(drawMark(state));
    this.title.textContent = i18n.outcomeWord(outcome);
    this.summary.replaceChildren(...summaryOf(outcome));
    this.caution.textContent = outcome?.state === "classified" ? i18n.text("card_caution") : "";
    this.details.replaceChildren(...detailsOf(outcome, isLarger));
    this.offered = actions;
    this.explanation?.localise();
    if (this.form) this.form.localise();
    else this.actions.replaceChildren(...drawActions(actions));
    this.showNextTry(outcome);
    this.keepInView();
  }

  /** Ask what the user knows about the image, in place of the actions. */
  showFeedback(image: { url: string; sha256: string }): void {
    this.form = new FeedbackForm(image, () => {
      this.form = undefined;
      this.actions.replaceChildren(...drawActions(this.offered));
      this.actions.querySelector<HTMLElement>(".tools button")?.focus();
    });
    this.status.textContent = "";
    this.actions.replaceChildren(this.form.element);
    this.keepInView();
    this.form.focus();
  }

  /** Copy a link, and say so. */
  async copyLink(link: string): Promise<void> {
    const copied = await copy(link, this.dialog);
    this.status.textContent = copied ? i18n.text("card_copied") : i18n.text("card_not_copied", link);
  }

  /** Show when the server is tried again, if it is. */
  showNextTry(outcome: Outcome | undefined): void {
    this.nextTry.textContent = i18n.nextTry(outcome);
  }

  /** Place the card next to a box of the viewport. It then scrolls with the page. */
  place(about: Box): void {
    this.move(cardCorner(about, this.dialog.getBoundingClientRect(), viewport()));
  }

  /** Move the card as little as needed, so that the viewport has all of it. */
  private keepInView(): void {
    if (!this.dialog.open) return;
    const card = this.dialog.getBoundingClientRect();
    this.move(cornerWithin({ x: card.left, y: card.top }, card, viewport()));
  }

  private move({ x, y }: Point): void {
    this.dialog.style.left = `${Math.round(x + window.scrollX)}px`;
    this.dialog.style.top = `${Math.round(y + window.scrollY)}px`;
  }
}

function viewport(): Size {
  const { clientWidth: width, clientHeight: height } = document.documentElement;
  return { width, height };
}

function summaryOf(outcome: Outcome | undefined): HTMLElement[] {
  if (!outcome) return [make("p", "", i18n.text("card_checking"))];
  if (outcome.state === "unavailable") {
    const { failure } = outcome;
    const lead = make("p", "lead", i18n.reason(failure));
    return failure.detail ? [lead, english("p", failure.detail)] : [lead];
  }
  const { probability } = outcome.verdict;
  const decider = deciderOf(outcome.verdict);
  if (decider) {
    return [
      make("p", "lead", i18n.text(`decided_${decider}`)),
      make("p", "", i18n.text("pixels_alone", i18n.percent(probability))),
      bar(probability),
    ];
  }
  return [
    make("p", "lead", i18n.text("card_scale", i18n.percent(probability))),
    bar(probability),
    make("p", "", i18n.meaning(outcome.verdict)),
  ];
}

function detailsOf(outcome: Outcome | undefined, isLarger: boolean): HTMLElement[] {
  if (!outcome) return [];
  if (outcome.state === "unavailable") {
    return [section("what_to_do", make("p", "", i18n.help(outcome.failure)))];
  }
  const { verdict } = outcome;
  if (isLookedUp(verdict)) return [lookedUp(verdict)];
  const { evidence, image, similar } = verdict;
  const members = Object.entries(verdict.members);
  return [
    // The result of an only member is the verdict, before calibration.
    ...(members.length > 1
      ? [section("members", make("ul", "members", ...members.map(drawMember)))]
      : []),
    section(
      "evidence",
      evidence.length > 0
        ? make("ul", "evidence", ...evidence.map(drawEvidence))
        : make("p", "", i18n.text("evidence_none")),
    ),
    ...(similar.length > 0 ? [similarImages(similar)] : []),
    section(
      "image_heading",
      make("p", "", i18n.imageSummary(verdict)),
      ...(isLarger ? [make("p", "", i18n.text("image_larger"))] : []),
      make("p", "", i18n.checkedAt(verdict)),
      make("p", "", i18n.text("image_model", verdict.model_version)),
      make("p", "hash", `SHA-256 ${image.sha256}`),
    ),
  ];
}

/** All that is known of a verdict from a look-up by hash. */
function lookedUp(verdict: Verdict): HTMLElement {
  return section(
    "image_heading",
    make("p", "", i18n.text("card_looked_up")),
    make("p", "", i18n.checkedAt(verdict)),
    make("p", "", i18n.text("image_model", verdict.model_version)),
  );
}

function section(heading: string, ...children: HTMLElement[]): HTMLElement {
  return make("section", "", make("h3", "", i18n.text(heading)), ...children);
}

function drawMember([member, probability]: [string, number]): HTMLElement {
  return make(
    "li",
    "",
    make("span", "name", i18n.memberName(member)),
    bar(probability),
    make("span", "number", i18n.percent(probability)),
  );
}

function drawEvidence(evidence: Verdict["evidence"][number]): HTMLElement {
  const source = make("small", "", i18n.evidenceSource(evidence));
  const [lead, ...facts] = i18n.evidenceFacts(evidence);
  if (!lead) return make("li", "", english("span", evidence.detail), source);
  return make("li", "", make("span", "", lead), ...facts.map((fact) => make("small", "", fact)), source);
}

function similarImages(similar: readonly Similar[]): HTMLElement {
  return section(
    "similar",
    make("ul", "evidence", ...similar.map(drawSimilar)),
    make("p", "note", i18n.text("similar_caution")),
  );
}

function drawSimilar({ label, probability, checked_at }: Similar): HTMLElement {
  const words = `${i18n.text(`state_${label}`)} ${i18n.percent(probability)}`;
  return make("li", "", make("span", "", words), make("small", "", i18n.when(checked_at)));
}

/** A text of the server, or of the file. Those of the server are English. */
function english(tag: "p" | "span", words: string): HTMLElement {
  const element = make(tag, "english", words);
  element.lang = "en";
  return element;
}

/** A probability as a bar. The number is in the text next to it. */
function bar(probability: number): HTMLElement {
  const element = make("div", "bar", make("div", "level"));
  element.setAttribute("aria-hidden", "true");
  element.style.setProperty("--level", `${probability * 100}%`);
  return element;
}

function drawActions(actions: readonly Action[]): HTMLElement[] {
  const small = actions.filter(({ isMain }) => !isMain);
  const tools = small.map(({ name, run }) => button("small", name, run));
  return [
    ...actions.filter(({ isMain }) => isMain).map(drawMain),
    ...(tools.length > 0 ? [make("div", "tools", ...tools)] : []),
  ];
}

function drawMain({ name, note, run }: Action): HTMLElement {
  const element = make("div", "action", button("do", name, run));
  if (note) element.append(make("p", "note", note));
  return element;
}
