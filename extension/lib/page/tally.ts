/** What is known about the images of a page, also about those that have scrolled away. */

import { type Findings, noCounts } from "../report";
import { DEFAULTS } from "../settings";
import { asWanted } from "../strictness";
import { type Outcome, stateOf } from "../verdict";
import { nameOf } from "./picture";
import { isWebUrl } from "./url";

interface Entry {
  /** Weak, so that pages which remove many images can free them. */
  image: WeakRef<Element>;
  url: string;
  outcome: Outcome | undefined;
}

export class Tally {
  private readonly entries = new Map<number, Entry>();
  private readonly ids = new WeakMap<Element, number>();
  private lastId = 0;
  private ownThreshold = DEFAULTS.ownThreshold;
  private readonly callbacks = new Set<() => void>();
  private readonly freed = new FinalizationRegistry<number>((id) => this.entries.delete(id));

  /** An outcome of an image is known, or with undefined that it is being checked. */
  note(image: Element, url: string, outcome: Outcome | undefined): void {
    this.entries.set(this.idOf(image), { image: new WeakRef(image), url, outcome });
    this.changed();
  }

  setOwnThreshold(ownThreshold: number): void {
    this.ownThreshold = ownThreshold;
    this.changed();
  }

  forget(image: Element): void {
    const id = this.ids.get(image);
    if (id !== undefined && this.entries.delete(id)) this.changed();
  }

  clear(): void {
    this.entries.clear();
    this.changed();
  }

  get(id: number): Element | undefined {
    return this.entries.get(id)?.image.deref();
  }

  /** Count the images that are still in the page, and list the flagged ones. */
  report(): Findings {
    const findings: Findings = { counts: noCounts(), flagged: [] };
    for (const [id, { image, url, outcome: known }] of this.entries) {
      const element = image.deref();
      if (!element?.isConnected) continue;
      const outcome = asWanted(known, this.ownThreshold);
      findings.counts[stateOf(outcome)]++;
      if (outcome?.state !== "classified" || outcome.verdict.label !== "ai") continue;
      const alt = nameOf(element);
      // Other addresses can be as long as the file, and say nothing.
      const address = isWebUrl(url) ? url : "";
      const { probability, decided_by } = outcome.verdict;
      findings.flagged.push({ id, url: address, alt, probability, decided_by });
    }
    return findings;
  }

  /** Call back after each change. Returns a function that stops it. */
  onChange(callback: () => void): () => void {
    this.callbacks.add(callback);
    return () => this.callbacks.delete(callback);
  }

  private idOf(image: Element): number {
    const known = this.ids.get(image);
    if (known !== undefined) return known;
    const id = ++this.lastId;
    this.ids.set(image, id);
    this.freed.register(image, id);
    return id;
  }

  private changed(): void {
    for (const callback of this.callbacks) callback();
  }
}
