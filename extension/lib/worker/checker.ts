/** Batches the checks of all tabs into few requests. Each URL is checked once at a time. */

import { type Api, ApiError, type CheckOptions, MAX_URL_LENGTH, MAX_URLS } from "../api";
import { type Answer, type Outcome, unavailable } from "../verdict";
import { getCached, putCached } from "./cache";

/** Milliseconds during which checks are collected into a batch. */
const WINDOW = 40;

interface PendingCheck {
  url: string;
  resolve: (outcome: Outcome) => void;
}

export class Checker {
  /** The running checks, by URL. */
  private readonly inFlight = new Map<string, Promise<Outcome>>();
  /** The checks not yet sent, by the page's origin. */
  private readonly batches = new Map<string | undefined, PendingCheck[]>();

  /** @param api makes a client for the current settings */
  constructor(private readonly api: () => Promise<Api>) {}

  /** Check the image at a URL on a page of this origin. Never rejects. */
  check(url: string, page: string | undefined): Promise<Outcome> {
    return this.once(url, async () => (await getCached(url)) ?? this.gather(url, page));
  }

  /** Check it again, without any cache. Never rejects. */
  checkAgain(url: string, page: string | undefined): Promise<Outcome> {
    this.inFlight.delete(url);
    return this.once(url, () => {
      return new Promise((resolve) => void this.send([{ url, resolve }], { page, force: true }));
    });
  }

  /** Check an image by its bytes. Never rejects. */
  async checkBytes(image: Blob): Promise<Outcome> {
    try {
      const api = await this.api();
      for await (const { items } of api.upload(image)) {
        if (items[0]?.outcome) return items[0].outcome;
      }
      return unavailable("not_assay");
    } catch (error) {
      return failed(error);
    }
  }

  private once(url: string, start: () => Promise<Outcome>): Promise<Outcome> {
    // Otherwise the server would reject the whole batch.
    if (url.length > MAX_URL_LENGTH) return Promise.resolve(unavailable("bad_url"));
    const known = this.inFlight.get(url);
    if (known) return known;
    const running = start().finally(() => {
      if (this.inFlight.get(url) === running) this.inFlight.delete(url);
    });
    this.inFlight.set(url, running);
    return running;
  }

  private gather(url: string, page: string | undefined): Promise<Outcome> {
    return new Promise((resolve) => {
      const pending = this.batches.get(page) ?? [];
      if (pending.length === 0) setTimeout(() => this.flush(page), WINDOW);
      pending.push({ url, resolve });
      this.batches.set(page, pending);
    });
  }

  private flush(page: string | undefined): void {
    const pending = this.batches.get(page) ?? [];
    this.batches.delete(page);
    for (let first = 0; first < pending.length; first += MAX_URLS) {
      void this.send(pending.slice(first, first + MAX_URLS), { page });
    }
  }

  /** Send a batch, and resolve each check as soon as its outcome arrives. */
  private async send(pending: PendingCheck[], options: CheckOptions): Promise<void> {
    const urls = pending.map(({ url }) => url);
    let rest: Outcome;
    try {
      const api = await this.api();
      for await (const answer of api.check(urls, options)) resolveDone(pending, answer);
      rest = unavailable("not_assay");
    } catch (error) {
      rest = failed(error);
    }
    for (const { resolve } of pending) resolve(rest);
  }
}

/** Resolve the checks that an answer completes. Resolving a promise twice has no effect. */
function resolveDone(pending: PendingCheck[], answer: Answer): void {
  for (const [index, { url, resolve }] of pending.entries()) {
    const outcome = answer.items[index]?.outcome;
    if (!outcome) continue;
    void putCached(url, outcome);
    resolve(outcome);
  }
}

function failed(error: unknown): Outcome {
  if (error instanceof ApiError) return unavailable(error.code, error.detail);
  return unavailable("server_error", String(error));
}
