/** A client for the part of the server's HTTP API that the extension uses. */

import { createParser, type EventSourceMessage } from "eventsource-parser";
import {
  type Answer,
  type News,
  readAnswer,
  readLookup,
  readNews,
  readSentences,
  type Outcome,
  readThresholds,
  type Schemas,
  type Thresholds,
  type Verdict,
} from "./verdict";

/** Largest number of URLs per check. */
export const MAX_URLS = 100;

const UPLOADS = "/v1/images";
const FEEDBACK = "/v1/feedback";
const EXPLANATION = "/explanation";
const BYTES = { "Content-Type": "application/octet-stream" };

/** Longest URL, in characters, that the server accepts. */
export const MAX_URL_LENGTH = 4096;

/** Seconds that an upload may be held open until its image is done. */
const WAIT = 1;

/** Seconds that a request may take in addition to WAIT. */
const TIMEOUT_MARGIN = 10;

/** Seconds for which the server's events are followed before it is asked for everything once more. */
const STREAM = 20;

/** Seconds that a picture may take. The server waits 25, and browsers stop a worker after 30. */
const PICTURE_TIMEOUT = 28;

/** Seconds until a pending check fails. */
const DEADLINE = 90;

/** Milliseconds after the end of the events. A proxy may end them early, or let none through. */
const PAUSE = 1000;

/** Longest time, in seconds, for which `Retry-After` is believed. */
const MAX_RETRY_AFTER = 24 * 60 * 60;

export type FailureCode =
  | "server_unreachable"
  | "server_refused"
  | "server_error"
  | "server_not_ready"
  | "key_missing"
  | "key_wrong"
  | "quota_too_small"
  | "quota_spent"
  | "no_verdict"
  | "not_at_hand"
  | "changed"
  | "not_assay"
  | "overloaded"
  | "too_large";

/** The server returned no usable answer. */
export class ApiError extends Error {
  /** @param retryAfter after how many seconds the server wants to be asked again, if it said so */
  constructor(
    readonly code: FailureCode,
    readonly detail = "",
    readonly retryAfter?: number | undefined,
  ) {
    super(`${code}: ${detail}`);
  }
}

export interface CheckOptions {
  /** The origin of the page that shows the images. */
  page?: string | undefined;
  /** Fetch the image again, without the cache. */
  force?: boolean;
}

/** The result of the connection test. */
export interface Ready {
  /** The model version. Empty if the server does not return it. */
  version: string;
  /** What separates the labels. Undefined if the server does not return it. */
  thresholds: Thresholds | undefined;
  milliseconds: number;
}

export class Api {
  /**
   * @param base the server's address, without a trailing slash
   * @param key an API key, or empty
   */
  constructor(
    private readonly base: string,
    private readonly key = "",
  ) {}

  /** Check images by URL. Yields what is known at once, and then the rest as it becomes known. */
  async *check(urls: readonly string[], options: CheckOptions): AsyncGenerator<News> {
    yield* this.follow(await this.answer("/v1/checks", post({ urls, wait: 0, ...options })));
  }

  /** Check an image by its bytes. Yields like `check`, for one image. */
  async *upload(image: Blob): AsyncGenerator<News> {
    const body = new FormData();
    body.set("image", image, "image");
    body.set("wait", String(WAIT));
    yield* this.follow(await this.answer(UPLOADS, { method: "POST", body }));
  }

  /** Contest a verdict, by the image's URL or the hash of its file. */
  async contest(feedback: Partial<Schemas["FeedbackBody"]>): Promise<void> {
    await this.send(FEEDBACK, post(feedback));
  }

  /**
   * Draw where an image looks AI-made.
   *
   * @param sha256 of the judged file
   * @param source the file, or where the server can fetch it again
   * @returns a PNG
   */
  async explain(sha256: string, source: Blob | { url: string; page?: string }): Promise<Blob> {
    const path = explanationOf(sha256);
    const response =
      source instanceof Blob
        ? await this.send(path, { method: "POST", body: source, headers: BYTES }, PICTURE_TIMEOUT)
        : await this.send(`${path}?${new URLSearchParams({ ...source })}`, {}, PICTURE_TIMEOUT);
    return response.blob();
  }

  /** Get what a verdict rests on, in English sentences. */
  async explainInWords(sha256: string): Promise<string[]> {
    const response = await this.send(`${explanationOf(sha256)}/text`, {});
    const body: unknown = await response.json().catch(() => undefined);
    return readSentences(body);
  }

  /** Get the cached verdicts of all URLs whose hash begins with these digits, by their hash. */
  async lookup(prefix: string): Promise<Map<string, Verdict>> {
    // The answer may be cached, unlike all others: then not even the prefix is sent again.
    const response = await this.send(`/v1/lookups/${prefix}`, { cache: "default" });
    const found = readLookup(await response.json().catch(() => undefined));
    if (!found) throw new ApiError("not_assay");
    return found;
  }

  /** Test whether the server is ready and accepts the key. */
  async ready(): Promise<Ready> {
    const started = performance.now();
    const response = await this.send("/readyz", {});
    const body: unknown = await response.json().catch(() => undefined);
    if (typeof body !== "object" || body === null) throw new ApiError("not_assay");
    const version = "model_version" in body ? String(body.model_version) : "";
    // /readyz needs no key. The cheapest other call shows whether the key is valid.
    await this.send("/v1/lookups/00000", {});
    const thresholds = readThresholds(body);
    return { version, thresholds, milliseconds: Math.round(performance.now() - started) };
  }

  private async *follow(answer: Answer): AsyncGenerator<News> {
    const path = `/v1/checks/${encodeURIComponent(answer.id)}`;
    const end = Date.now() + DEADLINE * 1000;
    for (;;) {
      yield newsIn(answer);
      if (answer.items.every(({ outcome }) => outcome)) return;
      if (Date.now() > end) throw new ApiError("overloaded");
      if (yield* this.events(path)) return;
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
      answer = await this.answer(path, {});
    }
  }

  /** Follow the events of a check. Returns whether all its images are done. */
  private async *events(path: string): AsyncGenerator<News, boolean> {
    try {
      const { body } = await this.send(`${path}/events`, {}, STREAM);
      for await (const events of readEvents(body)) {
        yield new Map(events.filter(({ event }) => event === "item").map(({ data }) => readNews(data)));
        if (events.some(({ event }) => event === "done")) return true;
      }
    } catch {
      // The next request tells what is wrong, if anything is.
    }
    return false;
  }

  private async answer(path: string, request: RequestInit): Promise<Answer> {
    const response = await this.send(path, request);
    const answer = readAnswer(await response.json().catch(() => undefined));
    if (!answer) throw new ApiError("not_assay");
    return answer;
  }

  private async send(
    path: string,
    request: RequestInit,
    seconds = WAIT + TIMEOUT_MARGIN,
  ): Promise<Response> {
    const headers = new Headers(request.headers);
    if (this.key) headers.set("Authorization", `Bearer ${this.key}`);
    let response: Response;
    try {
      response = await fetch(this.base + path, {
        cache: "no-store",
        ...request,
        headers,
        credentials: "omit",
        signal: AbortSignal.timeout(seconds * 1000),
      });
    } catch {
      throw new ApiError("server_unreachable", this.base);
    }
    if (response.ok) return response;
    const code = this.codeOf(response.status, path);
    // Without a key the server describes the header to send, which is of no use here.
    const detail = code === "key_missing" ? "" : await detailOf(response);
    throw new ApiError(code, detail, retryAfterOf(response));
  }

  private codeOf(status: number, path: string): FailureCode {
    if (path.includes(EXPLANATION)) {
      // 422: the server fetches nothing from this address.
      if (status === 404 || status === 422) return "not_at_hand";
      if (status === 409) return "changed";
      if (status === 504) return "overloaded";
    }
    switch (status) {
      case 401:
        return this.key ? "key_wrong" : "key_missing";
      case 403:
        return "server_refused";
      case 404:
        return path === FEEDBACK ? "no_verdict" : "not_assay";
      case 405:
        return "not_assay";
      case 413:
        // Only an upload can be too large in bytes. URLs can be too many for a quota.
        return path.startsWith(UPLOADS) ? "too_large" : "quota_too_small";
      case 429:
        return "quota_spent";
      case 503:
        return "server_not_ready";
      default:
        return "server_error";
    }
  }
}

function newsIn({ items }: Answer): News {
  const known = items.map(({ outcome }, index) => [index, outcome] as const);
  return new Map(known.filter((entry): entry is [number, Outcome] => entry[1] !== undefined));
}

/** Read server-sent events. Yields those that come together. */
async function* readEvents(
  body: ReadableStream<BufferSource> | null,
): AsyncGenerator<EventSourceMessage[]> {
  const events: EventSourceMessage[] = [];
  const parser = createParser({ onEvent: (event) => events.push(event) });
  const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
  for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read()) {
    parser.feed(part.value);
    if (events.length > 0) yield events.splice(0);
  }
}

function explanationOf(sha256: string): string {
  return `${UPLOADS}/${encodeURIComponent(sha256)}${EXPLANATION}`;
}

function post(body: object): RequestInit {
  const headers = { "Content-Type": "application/json" };
  return { method: "POST", body: JSON.stringify(body), headers };
}

/** The seconds of `Retry-After`: a number, or a date (RFC 9110, 10.2.3). */
function retryAfterOf({ headers }: Response): number | undefined {
  const value = headers.get("Retry-After") ?? "";
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
  return Number.isNaN(seconds) ? undefined : Math.min(Math.max(seconds, 0), MAX_RETRY_AFTER);
}

/** The detail of a problem document (RFC 9457), or the status. */
async function detailOf(response: Response): Promise<string> {
  const problem: unknown = await response.json().catch(() => undefined);
  if (typeof problem === "object" && problem !== null && "detail" in problem) {
    if (typeof problem.detail === "string") return problem.detail;
  }
  return `HTTP ${response.status}`;
}
