/** Checks images by their bytes. The same bytes are uploaded once, and few files at a time. */

import pLimit from "p-limit";
import type { Api } from "../api";
import { type Outcome, unavailable } from "../verdict";
import { getCached, putCached } from "./cache";
import type { Gate } from "./gate";

/** Largest number of files that are uploaded for badges at the same time. */
const MAX_UPLOADS = 4;

export class Uploads {
  /** The running checks, by the hash of the bytes. */
  private readonly running = new Map<string, Promise<Outcome>>();
  private readonly limit = pLimit(MAX_UPLOADS);

  /**
   * @param api makes a client for the current settings
   * @param gate says whether requests may be sent
   */
  constructor(
    private readonly api: () => Promise<Api>,
    private readonly gate: Gate,
  ) {}

  /** Check an image for a badge. Never rejects. */
  async check(image: Blob): Promise<Outcome> {
    const key = await keyOf(image);
    const known = this.running.get(key);
    if (known) return known;
    const outcome = this.limit(() => this.checkUnlessKnown(key, image));
    this.running.set(key, outcome);
    void outcome.then(() => this.running.delete(key));
    return outcome;
  }

  /**
   * Check at the user's request: at once, even if the server is in trouble. Never rejects.
   *
   * @param force without the cache
   */
  async checkNow(image: Blob, force: boolean): Promise<Outcome> {
    const key = await keyOf(image);
    const cached = force ? undefined : await getCached(key);
    return cached ?? this.upload(key, image);
  }

  private async checkUnlessKnown(key: string, image: Blob): Promise<Outcome> {
    const cached = await getCached(key);
    if (cached) return cached;
    const failure = await this.gate.closed();
    return failure ? { state: "unavailable", failure } : this.upload(key, image);
  }

  private async upload(key: string, image: Blob): Promise<Outcome> {
    try {
      const api = await this.api();
      for await (const news of api.upload(image)) {
        await this.gate.open();
        const outcome = news.get(0);
        if (!outcome) continue;
        void putCached(key, outcome);
        return outcome;
      }
      return unavailable("not_assay");
    } catch (error) {
      return this.gate.failed(error);
    }
  }
}

/** The key of bytes: "sha256:" and their hash in lower-case hex. */
export async function keyOf(image: Blob): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", await image.arrayBuffer());
  const hex = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0"));
  return `sha256:${hex.join("")}`;
}
