/** The card that explains one outcome, over the page and beside its image. */

import { make } from "../dom";
import { type Outcome, stateOf, type Verdict } from "../verdict";
import * as words from "../words";
import { drawMark } from "./mark";
import { type Box, cardCorner } from "./place";

/** Something that the user can do from a card. */
export interface Action {
  name: string;
  note?: string;
  run: () => void;
}

export class Card {
  private readonly mark = make("span", "");
  private readonly title = make("h2", "");
  /** What screen readers are told as it changes. */
  private readonly summary = make("div", "summary");
  private readonly details = make("div", "");
  private readonly caution = make("span", "");
  /** A modal dialog: the browser moves the focus in, keeps it, closes on Escape, gives it back. */
  private readonly dialog: HTMLDialogElement;

  constructor(onOptions: () => void) {
    this.title.id = "title";
    this.title.tabIndex = -1;
    this.title.setAttribute("aria-live", "polite");
    this.summary.setAttribute("role", "status");
    const close = button("close", "×", () => this.close());
    close.ariaLabel = close.title = words.say("card_close");
    const options = button("link", words.say("card_options"), onOptions);
    const body = make(
      "div",
      "body",
      make("header", "", this.mark, this.title, close),
      this.summary,
      this.details,
      make("footer", "", this.caution, options),
    );
    this.dialog = make("dialog", "card", body);
    this.dialog.dir = words.direction();
    this.dialog.setAttribute("aria-labelledby", this.title.id);
    this.dialog.addEventListener("click", ({ target }) => {
      // The body fills the dialog, so a click on the dialog itself was one outside of it.
      if (target === this.dialog) this.close();
    });
  }

  /** Show the card beside a place, with its check still going on. */
  open(root: ShadowRoot, about: Box): void {
    if (this.dialog.parentNode !== root) root.append(this.dialog);
    this.show(undefined, []);
    if (!this.dialog.open) this.dialog.showModal();
    this.title.focus();
    this.place(about);
  }

  close(): void {
    this.dialog.close();
  }

  /** Show an outcome, or that it is awaited, and what the user can do. */
  show(outcome: Outcome | undefined, actions: readonly Action[]): void {
    const state = stateOf(outcome);
    this.dialog.dataset.state = state;
    this.mark.replaceChildren(drawMark(state));
    this.title.textContent = words.stateWord(state);
    this.summary.replaceChildren(...summaryOf(outcome));
    this.caution.textContent = outcome?.state === "judged" ? words.say("card_caution") : "";
    this.details.replaceChildren(...detailsOf(outcome), ...actions.map(drawAction));
  }

  /** Put the card beside a place of the viewport; from there it scrolls with the page. */
  place(about: Box): void {
    const { clientWidth: width, clientHeight: height } = document.documentElement;
    const card = this.dialog.getBoundingClientRect();
    const { x, y } = cardCorner(about, card, { width, height });
    this.dialog.style.left = `${Math.round(x + window.scrollX)}px`;
    this.dialog.style.top = `${Math.round(y + window.scrollY)}px`;
  }
}

function summaryOf(outcome: Outcome | undefined): HTMLElement[] {
  if (!outcome) return [make("p", "", words.say("card_checking"))];
  if (outcome.state === "unavailable") {
    const { failure } = outcome;
    const lead = make("p", "lead", words.reason(failure));
    return failure.detail ? [lead, make("p", "", failure.detail)] : [lead];
  }
  const { probability } = outcome.verdict;
  return [
    make("p", "lead", words.say("card_scale", words.percent(probability))),
    bar(probability),
    make("p", "", words.meaning(outcome.verdict)),
  ];
}

function detailsOf(outcome: Outcome | undefined): HTMLElement[] {
  if (!outcome) return [];
  if (outcome.state === "unavailable") {
    return [section("what_to_do", make("p", "", words.help(outcome.failure)))];
  }
  const { verdict } = outcome;
  const { evidence, image, members } = verdict;
  return [
    section("members", make("ul", "members", ...Object.entries(members).map(drawMember))),
    section(
      "evidence",
      evidence.length > 0
        ? make("ul", "evidence", ...evidence.map(drawEvidence))
        : make("p", "", words.say("evidence_none")),
    ),
    section(
      "judged_heading",
      make("p", "", words.judgedImage(verdict)),
      make("p", "", words.judgedAt(verdict)),
      make("p", "", words.say("judged_with", verdict.model_version)),
      make("p", "hash", `SHA-256 ${image.sha256}`),
    ),
  ];
}

function section(heading: string, ...children: HTMLElement[]): HTMLElement {
  return make("section", "", make("h3", "", words.say(heading)), ...children);
}

function drawMember([member, probability]: [string, number]): HTMLElement {
  return make(
    "li",
    "",
    make("span", "name", words.memberName(member)),
    bar(probability),
    make("span", "number", words.percent(probability)),
  );
}

function drawEvidence(evidence: Verdict["evidence"][number]): HTMLElement {
  const source = make("small", "", words.evidenceSource(evidence));
  return make("li", "", make("span", "", evidence.detail), source);
}

/** A probability drawn as a bar; the number stands beside it in words. */
function bar(probability: number): HTMLElement {
  const element = make("div", "bar", make("div", "level"));
  element.setAttribute("aria-hidden", "true");
  element.style.setProperty("--level", `${probability * 100}%`);
  return element;
}

function drawAction({ name, note, run }: Action): HTMLElement {
  const element = make("div", "action", button("do", name, run));
  if (note) element.append(make("p", "note", note));
  return element;
}

function button(className: string, name: string, run: () => void): HTMLButtonElement {
  const element = make("button", className, name);
  element.type = "button";
  element.addEventListener("click", ({ isTrusted }) => {
    // A page's script can reach in and click; only the user may send a file or open a prompt.
    if (isTrusted) run();
  });
  return element;
}
