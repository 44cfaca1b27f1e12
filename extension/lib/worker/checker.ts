/** Gathers the questions of all tabs into few requests: each URL is asked about once at a time. */

import { type Api, ApiError, type CheckOptions, LONGEST_URL, MOST_URLS } from "../api";
import { type Answer, type Outcome, unavailable } from "../verdict";
import { recall, remember } from "./memory";

/** Milliseconds in which questions are gathered before they are sent. */
const WINDOW = 40;

interface Question {
  url: string;
  resolve: (outcome: Outcome) => void;
}

export class Checker {
  /** The questions not yet answered, by URL. */
  private readonly inFlight = new Map<string, Promise<Outcome>>();
  /** The questions not yet sent, by the origin of the page that asks. */
  private readonly gathered = new Map<string | undefined, Question[]>();

  /** @param api makes a client for the server that the settings name at that moment */
  constructor(private readonly api: () => Promise<Api>) {}

  /** Check the image at a URL, shown by a page of this origin. Never rejects. */
  check(url: string, page: string | undefined): Promise<Outcome> {
    return this.once(url, async () => (await recall(url)) ?? this.gather(url, page));
  }

  /** Check it anew, whatever any cache says. Never rejects. */
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

  private once(url: string, begin: () => Promise<Outcome>): Promise<Outcome> {
    // Refused here, so that it does not make the server refuse the images asked about with it.
    if (url.length > LONGEST_URL) return Promise.resolve(unavailable("bad_url"));
    const known = this.inFlight.get(url);
    if (known) return known;
    const asked = begin().finally(() => {
      if (this.inFlight.get(url) === asked) this.inFlight.delete(url);
    });
    this.inFlight.set(url, asked);
    return asked;
  }

  private gather(url: string, page: string | undefined): Promise<Outcome> {
    return new Promise((resolve) => {
      const questions = this.gathered.get(page) ?? [];
      if (questions.length === 0) setTimeout(() => this.flush(page), WINDOW);
      questions.push({ url, resolve });
      this.gathered.set(page, questions);
    });
  }

  private flush(page: string | undefined): void {
    const questions = this.gathered.get(page) ?? [];
    this.gathered.delete(page);
    for (let first = 0; first < questions.length; first += MOST_URLS) {
      void this.send(questions.slice(first, first + MOST_URLS), { page });
    }
  }

  /** Ask, and resolve every question as soon as its answer is there. */
  private async send(questions: Question[], options: CheckOptions): Promise<void> {
    const urls = questions.map(({ url }) => url);
    let rest: Outcome;
    try {
      const api = await this.api();
      for await (const answer of api.check(urls, options)) settle(questions, answer);
      rest = unavailable("not_assay");
    } catch (error) {
      rest = failed(error);
    }
    for (const { resolve } of questions) resolve(rest);
  }
}

/** Resolve what an answer settles; a promise that is resolved already stays as it is. */
function settle(questions: Question[], answer: Answer): void {
  for (const [index, { url, resolve }] of questions.entries()) {
    const outcome = answer.items[index]?.outcome;
    if (!outcome) continue;
    void remember(url, outcome);
    resolve(outcome);
  }
}

function failed(error: unknown): Outcome {
  if (error instanceof ApiError) return unavailable(error.code, error.detail);
  return unavailable("server_error", String(error));
}
