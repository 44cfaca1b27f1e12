/**
 * The badge of one image: a button in the overlay that shows the result. It is a small dot if there
 * is no sign of AI, on images that the server does not know, on small images, and while the server is
 * in trouble: the toolbar button and the card tell of that. The dot opens under the pointer and with
 * the focus.
 */

import { make } from "../dom";
import { type Outcome, retryTime, type State, stateOf } from "../verdict";
import { badgeName, badgeWords, direction, text } from "../i18n";
import { DEFAULTS, type Look } from "../settings";
import { asWanted } from "../strictness";
import { drawMark } from "./mark";
import { nameOf } from "./picture";
import type { Anchor, Size } from "./positions";

/** Smallest shown width and height, in CSS pixels, of an image whose badge has text. */
const MIN_WIDTH_FOR_TEXT = 200;
const MIN_HEIGHT_FOR_TEXT = 120;

/** States that need no attention. */
const QUIET: readonly State[] = ["checking", "real", "unknown"];

export class Badge {
  readonly button = make("button", "badge");
  outcome: Outcome | undefined;
  private shown = "";
  private width = NaN;
  private isSmall = false;
  /** Undefined: it must be measured. */
  private ownSize: Size | undefined;
  private isQuiet = true;
  private ownThreshold = DEFAULTS.ownThreshold;
  /** Whether the image is blurred or hidden. */
  private isVeiled = false;

  constructor(
    readonly image: Element,
    readonly url: string,
  ) {
    this.button.type = "button";
    this.button.setAttribute("aria-haspopup", "dialog");
    this.localise();
    this.shape();
  }

  /** Show the badge in the chosen language. */
  localise(): void {
    this.button.dir = direction();
    this.draw();
  }

  show(outcome: Outcome | undefined): void {
    this.outcome = outcome;
    this.draw();
    this.shape();
  }

  /** The outcome as the user wants it shown. */
  get wanted(): Outcome | undefined {
    return asWanted(this.outcome, this.ownThreshold);
  }

  setLook({ fullLabels, size, ownThreshold }: Look): void {
    this.isQuiet = !fullLabels;
    if (ownThreshold !== this.ownThreshold) {
      this.ownThreshold = ownThreshold;
      this.draw();
    }
    this.button.classList.toggle("large", size === "large");
    this.shape();
  }

  /** Offer to show the image, while it is blurred or hidden. */
  setVeiled(isVeiled: boolean): void {
    if (isVeiled === this.isVeiled) return;
    this.isVeiled = isVeiled;
    this.draw();
  }

  get isPlaced(): boolean {
    return this.shown !== "";
  }

  private draw(): void {
    const { wanted } = this;
    const state = stateOf(wanted);
    const { word, extra } = badgeWords(wanted);
    const words = make("span", "words", make("span", "word", word));
    if (extra) words.append(" ", make("span", "extra", extra));
    if (this.isVeiled) words.append(" ", make("span", "reveal", text("badge_reveal")));
    const plainName = badgeName(wanted, nameOf(this.image));
    const name = this.isVeiled ? text("name_veiled", plainName) : plainName;
    this.button.dataset.state = state;
    this.button.setAttribute("aria-label", name);
    this.button.title = name;
    this.button.replaceChildren(drawMark(state), words);
    this.ownSize = undefined;
  }

  /** Fit the badge to the visible width of its image, and to its height. */
  fit(width: number, height: number): void {
    const isSmall = width < MIN_WIDTH_FOR_TEXT || height < MIN_HEIGHT_FOR_TEXT;
    if (isSmall !== this.isSmall) {
      this.isSmall = isSmall;
      this.shape();
    }
    const room = Math.round(width);
    if (room === this.width) return;
    this.width = room;
    this.button.style.setProperty("--room", `${room}px`);
    this.ownSize = undefined;
  }

  /** The size of the badge itself. While it is as before, this needs no layout. */
  get size(): Size {
    this.ownSize ??= { width: this.button.offsetWidth, height: this.button.offsetHeight };
    return this.ownSize;
  }

  /** Move the badge to an anchor in the overlay, or hide it. */
  place(at: Anchor | undefined): void {
    const shown = at ? moveTo(at) : "";
    if (shown === this.shown) return;
    this.shown = shown;
    this.button.style.transform = shown;
    this.button.classList.toggle("placed", at !== undefined);
  }

  private shape(): void {
    const isQuiet = this.isQuiet && QUIET.includes(stateOf(this.wanted));
    const isInTrouble = retryTime(this.outcome) !== undefined;
    this.button.classList.toggle("dot", this.isSmall || isQuiet || isInTrouble);
    this.ownSize = undefined;
  }
}

/** The transformation that moves a badge's own corner to an anchor. */
function moveTo({ x, y, right, bottom }: Anchor): string {
  const point = `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
  const own = `translate(${right ? "-100%" : "0"}, ${bottom ? "-100%" : "0"})`;
  return right || bottom ? `${point} ${own}` : point;
}
