/** The server's HTTP API, as far as the extension uses it. */

import { type Answer, readAnswer } from "./verdict";

/** The most URLs that one check may hold. */
export const MOST_URLS = 100;

/** The longest URL, in characters, that the server fetches. */
export const LONGEST_URL = 8192;

/**
 * Seconds that the server may hold a request open until all is known. What is known of some images
 * waits as long for the others, so it is short.
 */
const WAIT = 1;

/** Seconds that an answer may take beyond what it was asked to wait. */
const PATIENCE = 10;

/** Seconds after which a pending check is given up. */
const DEADLINE = 90;

/** Milliseconds between two questions, for a server that does not hold them open. */
const PAUSE = 100;

export type FailureCode =
  | "server_unreachable"
  | "server_refused"
  | "server_error"
  | "server_not_ready"
  | "not_assay"
  | "overloaded"
  | "too_large";

/** The server gave no usable answer. */
export class ApiError extends Error {
  constructor(
    readonly code: FailureCode,
    readonly detail = "",
  ) {
    super(`${code}: ${detail}`);
  }
}

export interface CheckOptions {
  /** The origin of the page that shows the images. */
  page?: string | undefined;
  /** Ask the web again, whatever the cache says. */
  force?: boolean;
}

/** What the server says of itself. */
export interface Ready {
  /** The ensemble's version, or empty when the server does not tell. */
  version: string;
  milliseconds: number;
}

export class Api {
  /**
   * @param base the server's address, without a slash at its end
   * @param key an API key, or empty
   */
  constructor(
    private readonly base: string,
    private readonly key = "",
  ) {}

  /** Check images by URL; yields what is known at once, then whenever more may be known. */
  async *check(urls: readonly string[], options: CheckOptions): AsyncGenerator<Answer> {
    const body = JSON.stringify({ urls, wait: 0, ...options });
    const headers = { "Content-Type": "application/json" };
    yield* this.follow(await this.answer("/v1/checks", { method: "POST", body, headers }));
  }

  /** Check an image by its bytes; yields as `check` does, with one item. */
  async *upload(image: Blob): AsyncGenerator<Answer> {
    const body = new FormData();
    body.set("image", image, "image");
    body.set("wait", String(WAIT));
    yield* this.follow(await this.answer("/v1/images", { method: "POST", body }));
  }

  /** Ask whether the server can judge images now, and would do so for this key. */
  async ready(): Promise<Ready> {
    const begun = performance.now();
    const response = await this.send("/readyz", {});
    const body: unknown = await response.json().catch(() => undefined);
    if (typeof body !== "object" || body === null) throw new ApiError("not_assay");
    const version = "model_version" in body ? String(body.model_version) : "";
    // Anyone may ask whether it is ready; the cheapest call of the others tells what the key is worth.
    await this.send("/v1/lookups/00000", {});
    return { version, milliseconds: Math.round(performance.now() - begun) };
  }

  private async *follow(answer: Answer): AsyncGenerator<Answer> {
    yield answer;
    const end = Date.now() + DEADLINE * 1000;
    while (answer.items.some((item) => !item.outcome)) {
      if (Date.now() > end) throw new ApiError("overloaded");
      answer = await this.answer(`/v1/checks/${encodeURIComponent(answer.id)}?wait=${WAIT}`, {});
      yield answer;
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
  }

  private async answer(path: string, request: RequestInit): Promise<Answer> {
    const response = await this.send(path, request);
    const answer = readAnswer(await response.json().catch(() => undefined));
    if (!answer) throw new ApiError("not_assay");
    return answer;
  }

  private async send(path: string, request: RequestInit): Promise<Response> {
    const headers = new Headers(request.headers);
    if (this.key) headers.set("Authorization", `Bearer ${this.key}`);
    let response: Response;
    try {
      response = await fetch(this.base + path, {
        ...request,
        headers,
        credentials: "omit",
        cache: "no-store",
        signal: AbortSignal.timeout((WAIT + PATIENCE) * 1000),
      });
    } catch {
      throw new ApiError("server_unreachable", this.base);
    }
    if (!response.ok) throw new ApiError(codeOf(response.status), await detailOf(response));
    return response;
  }
}

function codeOf(status: number): FailureCode {
  if (status === 401 || status === 403) return "server_refused";
  if (status === 404 || status === 405) return "not_assay";
  if (status === 413) return "too_large";
  if (status === 503) return "server_not_ready";
  return status === 429 ? "overloaded" : "server_error";
}

/** The sentence of a problem document (RFC 9457), or the bare status. */
async function detailOf(response: Response): Promise<string> {
  const problem: unknown = await response.json().catch(() => undefined);
  if (typeof problem === "object" && problem !== null && "detail" in problem) {
    if (typeof problem.detail === "string") return problem.detail;
  }
  return `HTTP ${response.status}`;
}
