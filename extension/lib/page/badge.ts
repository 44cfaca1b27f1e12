/** The badge of one image: a button in the overlay that shows the result. */

import { make } from "../dom";
import { type Outcome, stateOf } from "../verdict";
import { badgeName, badgeWords, direction } from "../i18n";
import { drawMark } from "./mark";
import type { Point } from "./positions";

/** Smallest shown width, in CSS pixels, of an image whose badge has text next to its mark. */
const MIN_WIDTH_FOR_TEXT = 200;

export class Badge {
  readonly button = make("button", "badge");
  outcome: Outcome | undefined;
  private shown = "";

  constructor(
    readonly image: HTMLImageElement,
    readonly url: string,
  ) {
    this.button.type = "button";
    this.button.dir = direction();
    this.button.setAttribute("aria-haspopup", "dialog");
    this.show(undefined);
  }

  show(outcome: Outcome | undefined): void {
    this.outcome = outcome;
    const state = stateOf(outcome);
    const { word, extra } = badgeWords(outcome);
    const words = make("span", "words", make("span", "word", word));
    if (extra) words.append(" ", make("span", "extra", extra));
    const name = badgeName(outcome, this.image.alt);
    this.button.dataset.state = state;
    this.button.setAttribute("aria-label", name);
    this.button.title = name;
    this.button.replaceChildren(drawMark(state), words);
  }

  /** Fit the badge to the shown width of its image. */
  fit(width: number): void {
    this.button.classList.toggle("brief", width < MIN_WIDTH_FOR_TEXT);
    this.button.style.setProperty("--room", `${Math.round(width)}px`);
  }

  /** Move the badge's top left corner to a point of the overlay, or hide it. */
  place(at: Point | undefined): void {
    const shown = at ? `translate(${Math.round(at.x)}px, ${Math.round(at.y)}px)` : "";
    if (shown === this.shown) return;
    this.shown = shown;
    this.button.style.transform = shown;
    this.button.classList.toggle("placed", at !== undefined);
  }
}
