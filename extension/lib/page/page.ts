/** Assay on one page: badges on images, and a card for one image. */

import { browser } from "wxt/browser";
import { ask, type OpenOptions } from "../messages";
import type { Outcome } from "../verdict";
import { text } from "../i18n";
import { Badge } from "./badge";
import { type Action, Card } from "./card";
import { checkImage, checkFile, checkWithPermission, canReadLocally, type Subject } from "./checks";
import { Overlay } from "./overlay";
import type { Box } from "./positions";
import { ContextTarget } from "./target";
import { Watcher } from "./watcher";

export class Page {
  private readonly overlay = new Overlay();
  private readonly pointer = new ContextTarget();
  private readonly card = new Card(openOptions);
  private watcher: Watcher | undefined;
  /** Counts the requests for the card. Answers to older requests are ignored. */
  private requestNumber = 0;

  constructor() {
    this.pointer.start();
  }

  /** Turn badges on or off. */
  setBadges(wanted: boolean): void {
    if (wanted === (this.watcher !== undefined)) return;
    this.watcher?.stop();
    this.watcher = wanted
      ? new Watcher(document, {
          found: (image, url) => void this.check(image, url),
          lost: (image) => this.overlay.remove(image),
          moved: this.overlay.schedule,
        })
      : undefined;
    this.watcher?.start();
  }

  /** Check the image at this address. Empty: the image under the context menu. */
  async checkTarget(url: string): Promise<void> {
    const { image, box } = this.pointer.find(url);
    const subject = { url: url || image?.currentSrc || "", image };
    await this.explain(subject, box, checkImage(subject, false));
  }

  /** Remove everything from the page. */
  stop(): void {
    this.setBadges(false);
    this.pointer.stop();
    this.card.close();
    this.overlay.detach();
  }

  private async check(image: HTMLImageElement, url: string): Promise<void> {
    const badge = new Badge(image, url);
    const answer = ask({ kind: "check-url", url });
    badge.button.addEventListener("click", () => {
      const known = badge.outcome ? Promise.resolve(badge.outcome) : answer;
      void this.explain({ url, image }, image.getBoundingClientRect(), known);
    });
    this.overlay.add(badge);
    badge.show(await answer);
    this.overlay.schedule();
  }

  /** Open the card, and show the answer when it arrives. */
  private async explain(subject: Subject, box: Box, answer: Promise<Outcome>): Promise<void> {
    const requestNumber = ++this.requestNumber;
    this.overlay.attach();
    this.card.open(this.overlay.shadow, box);
    const outcome = await answer;
    if (requestNumber !== this.requestNumber) return;
    if (subject.image) this.updateBadge(subject.image, subject.url, outcome);
    const rerun = (next: () => Promise<Outcome>) => () => void this.explain(subject, box, next());
    this.card.show(outcome, actionsFor(subject, outcome, rerun));
    this.card.place(box);
  }

  private updateBadge(image: HTMLImageElement, url: string, outcome: Outcome): void {
    const badge = this.overlay.get(image);
    if (badge?.url === url) badge.show(outcome);
    this.overlay.schedule();
  }
}

/** The actions after a failure. */
function actionsFor(
  subject: Subject,
  outcome: Outcome,
  rerun: (next: () => Promise<Outcome>) => () => void,
): Action[] {
  if (outcome.state === "classified") return [];
  const again = { name: text("card_again"), run: rerun(() => checkImage(subject, true)) };
  if (outcome.failure.code === "access_needed") {
    const note = text("card_allow_note", new URL(subject.url).host);
    const run = rerun(() => checkWithPermission(subject));
    return [{ name: text("card_allow"), note, run }, again];
  }
  if (canReadLocally(outcome)) {
    const run = rerun(() => checkFile(subject));
    return [{ name: text("card_send"), note: text("card_send_note"), run }, again];
  }
  return [again];
}

function openOptions(): void {
  const request: OpenOptions = { kind: "open-options" };
  void browser.runtime.sendMessage(request);
}
