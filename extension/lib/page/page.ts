/** What Assay does on one page: badges on its images, and a card on the image that was asked for. */

import { browser } from "wxt/browser";
import { ask, type OpenOptions } from "../messages";
import type { Outcome } from "../verdict";
import { say } from "../words";
import { Badge } from "./badge";
import { type Action, Card } from "./card";
import { inspect, inspectFile, inspectWithAccess, mayReadHere, type Subject } from "./inspection";
import { Overlay } from "./overlay";
import type { Box } from "./place";
import { Pointer } from "./pointer";
import { Watcher } from "./watcher";

export class Page {
  private readonly overlay = new Overlay();
  private readonly pointer = new Pointer();
  private readonly card = new Card(openOptions);
  private watcher: Watcher | undefined;
  /** Counts what the card was asked to show; an answer to anything older comes too late. */
  private turn = 0;

  constructor() {
    this.pointer.start();
  }

  /** Put badges on images as they come near, or take all of them away. */
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

  /** "Check image" was chosen on the image at this address; an empty one was not told. */
  async checkPointedAt(url: string): Promise<void> {
    const { image, box } = this.pointer.find(url);
    const subject = { url: url || image?.currentSrc || "", image };
    await this.explain(subject, box, inspect(subject, false));
  }

  /** Leave the page as if Assay had never been there. */
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

  /** Show the card with an answer, as soon as it is there. */
  private async explain(subject: Subject, box: Box, answer: Promise<Outcome>): Promise<void> {
    const turn = ++this.turn;
    this.overlay.attach();
    this.card.open(this.overlay.shadow, box);
    const outcome = await answer;
    if (turn !== this.turn) return;
    if (subject.image) this.tellBadge(subject.image, subject.url, outcome);
    const anew = (next: () => Promise<Outcome>) => () => void this.explain(subject, box, next());
    this.card.show(outcome, actionsFor(subject, outcome, anew));
    this.card.place(box);
  }

  private tellBadge(image: HTMLImageElement, url: string, outcome: Outcome): void {
    const badge = this.overlay.get(image);
    if (badge?.url === url) badge.show(outcome);
    this.overlay.schedule();
  }
}

/** What can be done after a failure. */
function actionsFor(
  subject: Subject,
  outcome: Outcome,
  anew: (next: () => Promise<Outcome>) => () => void,
): Action[] {
  if (outcome.state === "judged") return [];
  const again = { name: say("card_again"), run: anew(() => inspect(subject, true)) };
  if (outcome.failure.code === "access_needed") {
    const note = say("card_allow_note", new URL(subject.url).host);
    const run = anew(() => inspectWithAccess(subject));
    return [{ name: say("card_allow"), note, run }, again];
  }
  if (mayReadHere(outcome)) {
    const run = anew(() => inspectFile(subject));
    return [{ name: say("card_send"), note: say("card_send_note"), run }, again];
  }
  return [again];
}

function openOptions(): void {
  const request: OpenOptions = { kind: "open-options" };
  void browser.runtime.sendMessage(request);
}
