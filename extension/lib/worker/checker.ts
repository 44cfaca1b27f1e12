/**
 * Batches the checks of all tabs by address into few requests. Each URL is checked once at a time, and one
 * request is sent at a time.
 */

import { type Api, ApiError, type CheckOptions, MAX_URL_LENGTH, MAX_URLS } from "../api";
import { type News, type Outcome, unavailable } from "../verdict";
import { getCached, putCached } from "./cache";
import type { Gate } from "./gate";

/** Milliseconds during which checks are collected into a batch. */
const WINDOW = 40;

/**
 * With so many images unfinished at the server, further ones wait here, where they can be cancelled.
 * A few slow images do not hold up the others.
 */
const BUSY = 50;

/** A check that is not asked for any more. Nobody sees its outcome. */
const CANCELLED = unavailable("interrupted");

interface Check {
  url: string;
  /** The origin of the page that shows the image. */
  page: string | undefined;
  /** Who waits for the outcome. */
  askers: Set<string>;
  outcome: Promise<Outcome>;
  resolve: (outcome: Outcome) => void;
}

export class Checker {
  /** The checks without an outcome, by URL. */
  private readonly checks = new Map<string, Check>();
  private waiting: Check[] = [];
  private readonly sent = new Set<Check>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private sending = false;
  /** Largest number of URLs per request. A small quota lowers it. */
  private most = MAX_URLS;

  /**
   * @param api makes a client for the current settings
   * @param gate says whether requests may be sent
   */
  constructor(
    private readonly api: () => Promise<Api>,
    private readonly gate: Gate,
  ) {}

  /** Check the image at a URL on a page of this origin, for this asker. Never rejects. */
  check(url: string, page: string | undefined, asker: string): Promise<Outcome> {
    const known = this.checks.get(url);
    if (known) {
      known.askers.add(asker);
      return known.outcome;
    }
    const check = this.start(url, page, asker);
    void this.enqueue(check);
    return check.outcome;
  }

  /** The asker no longer needs the outcome. What nobody needs is not sent. */
  cancel(url: string, asker: string): void {
    this.checks.get(url)?.askers.delete(asker);
  }

  /**
   * Check at the user's request: at once, even if the server is in trouble. Never rejects.
   *
   * @param force without any cache
   */
  async checkNow(url: string, page: string | undefined, force: boolean): Promise<Outcome> {
    const known = this.checks.get(url);
    if (!force && known && this.sent.has(known)) return known.outcome;
    const cached = force ? undefined : await getCached(url);
    if (cached) return cached;
    const check = this.start(url, page, "user");
    if (isTooLong(url)) check.resolve(unavailable("bad_url"));
    else void this.send([check], force ? { page, force } : { page });
    return check.outcome;
  }

  private start(url: string, page: string | undefined, asker: string): Check {
    let resolve!: (outcome: Outcome) => void;
    const outcome = new Promise<Outcome>((resolver) => {
      resolve = resolver;
    });
    const check = { url, page, askers: new Set([asker]), outcome, resolve };
    this.checks.set(url, check);
    void outcome.then(() => {
      this.sent.delete(check);
      if (this.checks.get(url) === check) this.checks.delete(url);
    });
    return check;
  }

  private async enqueue(check: Check): Promise<void> {
    // Otherwise the server would reject the whole batch.
    if (isTooLong(check.url)) return check.resolve(unavailable("bad_url"));
    const cached = await getCached(check.url);
    if (cached) return check.resolve(cached);
    this.waiting.push(check);
    this.flushSoon();
  }

  private flushSoon(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      void this.flush();
    }, WINDOW);
  }

  /** Send what waits, one batch after the other, as long as the server can take it. */
  private async flush(): Promise<void> {
    if (this.sending) return;
    this.sending = true;
    for (let batch = this.take(); batch.length > 0; batch = this.take()) {
      const failure = await this.gate.closed();
      if (failure) settle(batch, { state: "unavailable", failure });
      // Waiting for the answer has a server that is down asked once, not once for each batch.
      else await this.send(batch, { page: batch[0]?.page });
    }
    this.sending = false;
  }

  /** Take the next batch off the waiting checks. All its images are on pages of one origin. */
  private take(): Check[] {
    settle(this.waiting.filter(({ askers }) => askers.size === 0), CANCELLED);
    const wanted = this.waiting.filter(({ askers }) => askers.size > 0);
    const ofPage = wanted.filter(({ page }) => page === wanted[0]?.page);
    const batch = new Set(this.sent.size < BUSY ? ofPage.slice(0, this.most) : []);
    this.waiting = wanted.filter((check) => !batch.has(check));
    return [...batch];
  }

  /** Send a batch. Resolves when the server has answered, though not yet about every image. */
  private send(batch: Check[], options: CheckOptions): Promise<void> {
    return new Promise((answered) => void this.follow(batch, options, answered).then(answered));
  }

  /** Send a batch, and resolve each check as soon as its outcome arrives. */
  private async follow(
    batch: Check[],
    options: CheckOptions,
    onAnswer: () => void,
  ): Promise<void> {
    for (const check of batch) this.sent.add(check);
    const urls = batch.map(({ url }) => url);
    try {
      const api = await this.api();
      for await (const news of api.check(urls, options)) {
        settleDone(batch, news);
        await this.gate.open();
        onAnswer();
        if (this.waiting.length > 0) this.flushSoon();
      }
      settle(batch, unavailable("not_assay"));
    } catch (error) {
      if (isTooManyUrls(error) && batch.length > 1) this.sendSmaller(batch);
      else settle(batch, await this.gate.failed(error));
    }
    if (this.waiting.length > 0) this.flushSoon();
  }

  /** Send a batch in smaller ones, because it alone is more than a whole quota. */
  private sendSmaller(batch: Check[]): void {
    this.most = Math.ceil(batch.length / 2);
    for (const check of batch) this.sent.delete(check);
    this.waiting.unshift(...batch);
  }
}

function isTooLong(url: string): boolean {
  return url.length > MAX_URL_LENGTH;
}

function isTooManyUrls(error: unknown): boolean {
  return error instanceof ApiError && error.code === "quota_too_small";
}

/** Resolve checks. Resolving a promise twice has no effect. */
function settle(checks: readonly Check[], outcome: Outcome): void {
  for (const { resolve } of checks) resolve(outcome);
}

/** Resolve the checks whose outcomes are known now. */
function settleDone(batch: readonly Check[], news: News): void {
  for (const [index, outcome] of news) {
    const check = batch[index];
    if (check) void putCached(check.url, outcome);
    check?.resolve(outcome);
  }
}
