/** Assay on one page: badges on images, and a card for one image. */

import { ask, type GetThumbnail, tell } from "../messages";
import { isUnknown, type Outcome, retryTime, unavailable } from "../verdict";
import { consolePage } from "../console";
import type { Report } from "../report";
import { DEFAULTS, loadSettings, type Look } from "../settings";
import { asWanted } from "../strictness";
import { drawThumbnail } from "../thumbnail";
import { actionsFor } from "./actions";
import { Asks } from "./asks";
import { idleTime } from "./idle";
import { Badge } from "./badge";
import { readCached } from "./bytes";
import { Card, type Content } from "./card";
import { checkImage, explainImage, type Subject } from "./checks";
import { Overlay } from "./overlay";
import type { Box } from "./positions";
import { Pointed } from "./pointed";
import { Retry } from "./retry";
import { Tally } from "./tally";
import { ContextTarget, imageAt } from "./target";
import { Transparencies } from "./transparency";
import { EVERYWHERE, NEAR, Watcher } from "./watcher";

/** An outcome in the card. */
interface Explained {
  subject: Subject;
  box: Box;
  outcome: Outcome;
}

export class Page {
  private readonly transparencies = new Transparencies(() => this.overlay.recheck());
  private readonly overlay = new Overlay(this.transparencies);
  private readonly pointer = new ContextTarget(this.transparencies);
  private readonly card = new Card(openOptions);
  private readonly asks = new Asks();
  private readonly retry = new Retry(() => this.checkAgain());
  private readonly pointed = new Pointed(this.transparencies, (element) =>
    this.overlay.badgeOf(element),
  );
  private readonly tally = new Tally();
  private watcher: Watcher | undefined;
  private ownThreshold = DEFAULTS.ownThreshold;
  /** Whether images get badges automatically. */
  private wantsBadges = false;
  /** Whether the user asked for a check of all images. */
  private asked = false;
  /** Counts the requests for the card. Answers to older requests are ignored. */
  private requestNumber = 0;
  /** What the card is about, while it shows an outcome. */
  private explained: Explained | undefined;

  constructor() {
    this.pointer.start();
    this.pointed.start();
  }

  /** Turn badges on or off. */
  setBadges(wanted: boolean): void {
    if (wanted === this.wantsBadges) return;
    this.wantsBadges = wanted;
    this.stopWatching();
    if (wanted) this.watch(NEAR);
  }

  setLook(look: Look): void {
    this.overlay.setLook(look);
    if (look.ownThreshold === this.ownThreshold) return;
    this.ownThreshold = look.ownThreshold;
    this.tally.setOwnThreshold(look.ownThreshold);
    if (this.explained) this.card.update(this.contentOf(this.explained));
  }

  /** Show everything again, in the chosen language. */
  localise(): void {
    this.overlay.localise();
    this.card.localise();
    this.card.update(this.explained ? this.contentOf(this.explained) : { outcome: undefined });
  }

  /** Check all images of the page because the user asked for it, although badges may be off. */
  checkAll(): void {
    this.stopWatching();
    this.asked = true;
    this.watch(EVERYWHERE);
  }

  /** What is known about the images of this page. */
  report(): Report {
    return {
      ...this.tally.report(),
      isTop: window === window.top,
      host: location.hostname,
      origin: location.origin,
    };
  }

  /** Call back after each change of the report. Returns a function that stops it. */
  onReport(callback: () => void): () => void {
    return this.tally.onChange(callback);
  }

  /** Scroll to an image of the report, and highlight it. */
  showImage(id: number): void {
    const image = this.tally.get(id);
    if (!image) return;
    image.scrollIntoView({ block: "center", inline: "center" });
    this.overlay.highlight(image);
  }

  /** Check the image at this address. Empty: the image under the context menu. */
  async checkTarget(url: string): Promise<void> {
    const { subject, box } = await this.pointer.find(url);
    await this.explain(subject, box, checkImage(subject, false));
  }

  /** Check the image at the address of a link. */
  async checkLink(url: string): Promise<void> {
    const { box } = await this.pointer.find(url);
    const answer = ask({ kind: "check-now", url, again: false });
    await this.explain({ url, image: undefined }, box, answer);
  }

  /** Check the image in focus or under the pointer. Returns whether there is one in this frame. */
  checkPointed(): boolean {
    const target = this.pointed.find();
    void target?.then(({ subject, box }) => {
      return this.explain(subject, box, checkImage(subject, false));
    });
    return target !== undefined;
  }

  /** Tell the user that there is no image to check. */
  async showNone(): Promise<void> {
    const middle = { x: innerWidth / 2, y: innerHeight / 3 };
    const box = { left: middle.x, right: middle.x, top: middle.y, bottom: middle.y };
    const none = Promise.resolve(unavailable("nothing_pointed"));
    await this.explain({ url: "", image: undefined }, box, none);
  }

  /** A small picture of the image at an address, if the page shows it and has its file. */
  async thumbnailOf({ url, hasBadge }: GetThumbnail): Promise<string | undefined> {
    const badge = this.overlay.all().find((each) => each.url === url);
    // To look through a whole page takes long.
    const image = badge || hasBadge ? badge?.image : imageAt(url);
    if (!(image instanceof HTMLImageElement)) return undefined;
    await idleTime();
    const file = await readCached(image);
    return file && drawThumbnail(file, { width: image.naturalWidth, height: image.naturalHeight });
  }

  /** Check the images again that the server could not check. */
  tryAgain(): void {
    this.retry.now();
  }

  /** Remove everything from the page. */
  stop(): void {
    this.stopWatching();
    this.pointed.stop();
    this.retry.stop();
    this.pointer.stop();
    this.card.close();
    this.overlay.detach();
  }

  private watch(margin: string): void {
    const events = {
      found: (image: Element, url: string) => this.addBadge(image, url),
      lost: (image: Element) => this.removeBadge(image),
      moved: this.overlay.recheck,
    };
    this.watcher = new Watcher(events, margin);
    this.watcher.start();
  }

  private stopWatching(): void {
    this.watcher?.stop();
    this.watcher = undefined;
    this.asked = false;
    this.tally.clear();
  }

  private addBadge(image: Element, url: string): void {
    this.removeBadge(image);
    this.tally.note(image, url, undefined);
    const badge = new Badge(image, url);
    badge.button.addEventListener("click", () => {
      if (this.overlay.veils.reveal(badge)) return;
      const known = badge.outcome ? Promise.resolve(badge.outcome) : this.asks.ask(badge, this.asked);
      void this.explain({ url, image }, image.getBoundingClientRect(), known);
    });
    this.overlay.add(badge);
    void this.check(badge);
  }

  private removeBadge(image: Element): void {
    const badge = this.overlay.get(image);
    if (!badge) return;
    this.asks.release(badge);
    // An image that has only scrolled away still counts, if there is an answer.
    if (!badge.outcome || !image.isConnected) this.tally.forget(image);
    this.overlay.remove(image);
  }

  private async check(badge: Badge): Promise<void> {
    const outcome = await this.asks.ask(badge, this.asked);
    this.show(badge, outcome);
    const { subject } = this.explained ?? {};
    if (subject?.image === badge.image && subject.url === badge.url) this.updateCard(outcome);
  }

  /** Badges keep what they show until there is an answer, so nothing flickers. */
  private checkAgain(): void {
    for (const badge of this.overlay.all()) {
      const { outcome } = badge;
      if (retryTime(outcome) !== undefined || isUnknown(outcome)) void this.check(badge);
    }
  }

  private show(badge: Badge, outcome: Outcome): void {
    if (this.overlay.get(badge.image) !== badge) return;
    this.tally.note(badge.image, badge.url, outcome);
    badge.show(outcome);
    const time = retryTime(outcome);
    if (time !== undefined) this.retry.at(time);
    this.overlay.refresh(badge);
  }

  /** Open the card, and show the answer when it arrives. */
  private async explain(subject: Subject, box: Box, answer: Promise<Outcome>): Promise<void> {
    const requestNumber = ++this.requestNumber;
    this.explained = undefined;
    this.overlay.attach();
    this.card.open(this.overlay.shadow, box);
    const outcome = await answer;
    if (requestNumber !== this.requestNumber) return;
    if (subject.image) this.updateBadge(subject.image, subject.url, outcome);
    this.showInCard({ subject, box, outcome });
  }

  private showInCard(explained: Explained): void {
    this.explained = explained;
    this.card.show(this.contentOf(explained));
    this.card.place(explained.box);
  }

  private contentOf({ subject, box, outcome }: Explained): Content {
    // A look-up tells no hash, and nothing to explain.
    const sha256 = outcome.state === "classified" ? outcome.verdict.image.sha256 : "";
    const actions = actionsFor(subject, outcome, {
      check: (run) => void this.explain(subject, box, run()),
      contest: () => this.card.showFeedback({ url: subject.url, sha256 }),
      copyLink: () => void this.copyLink(subject.url),
      openOptions,
    });
    return {
      outcome: asWanted(outcome, this.ownThreshold),
      actions,
      isLarger: isLargerThanShown(subject, outcome),
      explain: sha256 ? () => explainImage(subject, sha256) : undefined,
    };
  }

  private async copyLink(url: string): Promise<void> {
    const { server } = await loadSettings();
    await this.card.copyLink(consolePage(server, url));
  }

  /** The server was tried again. */
  private updateCard(outcome: Outcome): void {
    const { explained } = this;
    if (!explained || retryTime(explained.outcome) === undefined) return;
    if (isSameFailure(outcome, explained.outcome)) this.card.showNextTry(outcome);
    else this.showInCard({ ...explained, outcome });
  }

  private updateBadge(image: Element, url: string, outcome: Outcome): void {
    const badge = this.overlay.get(image);
    if (badge?.url === url) this.show(badge, outcome);
  }
}

/** Whether the verdict is on a larger version of the image than the page shows. */
function isLargerThanShown({ url, image }: Subject, outcome: Outcome): boolean {
  if (outcome.state !== "classified" || !(image instanceof HTMLImageElement)) return false;
  const { width, height } = outcome.verdict.image;
  const isOther = image.currentSrc !== "" && image.currentSrc.split("#")[0] !== url;
  return isOther && width * height > image.naturalWidth * image.naturalHeight;
}

function isSameFailure(one: Outcome, other: Outcome): boolean {
  if (one.state === "classified" || other.state === "classified") return false;
  return one.failure.code === other.failure.code;
}

function openOptions(): void {
  void tell({ kind: "open-options" });
}
