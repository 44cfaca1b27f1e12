/**
 * The badge of one image: a button in the overlay that shows the result. It is a small dot on small
 * images, and while the server is in trouble: the toolbar button and the card tell of that.
 */

import { make } from "../dom";
import { type Outcome, retryTime, stateOf } from "../verdict";
import { badgeName, badgeWords, direction } from "../i18n";
import { drawMark } from "./mark";
import { nameOf } from "./picture";
import type { Point } from "./positions";

/** Smallest shown width and height, in CSS pixels, of an image whose badge has text. */
const MIN_WIDTH_FOR_TEXT = 200;
const MIN_HEIGHT_FOR_TEXT = 120;

export class Badge {
  readonly button = make("button", "badge");
  outcome: Outcome | undefined;
  private shown = "";
  private isSmall = false;

  constructor(
    readonly image: Element,
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
    const name = badgeName(outcome, nameOf(this.image));
    this.button.dataset.state = state;
    this.button.setAttribute("aria-label", name);
    this.button.title = name;
    this.button.replaceChildren(drawMark(state), words);
    this.shape();
  }

  /** Fit the badge to the visible width of its image, and to its height. */
  fit(width: number, height: number): void {
    this.isSmall = width < MIN_WIDTH_FOR_TEXT || height < MIN_HEIGHT_FOR_TEXT;
    this.shape();
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

  private shape(): void {
    this.button.classList.toggle("dot", this.isSmall || retryTime(this.outcome) !== undefined);
  }
}
