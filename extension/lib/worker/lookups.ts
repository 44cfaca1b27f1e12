/** Private look-ups: the server is told only the start of the hash of an image's address. */

import pLimit from "p-limit";
import type { Api } from "../api";
import { type Outcome, UNKNOWN, unavailable, type Verdict } from "../verdict";
import { getCached } from "./cache";
import type { Gate } from "./gate";

/** Hex digits of a hash that are sent. About a million of 10¹² addresses share each such start. */
const PREFIX_DIGITS = 5;

/** Largest number of requests at the same time. */
const MAX_REQUESTS = 4;

export class Lookups {
  /** The running requests, by prefix. */
  private readonly running = new Map<string, Promise<Map<string, Verdict>>>();
  private readonly limit = pLimit(MAX_REQUESTS);

  /**
   * @param api makes a client for the current settings
   * @param gate says whether requests may be sent
   */
  constructor(
    private readonly api: () => Promise<Api>,
    private readonly gate: Gate,
  ) {}

  /** Look up what is known about the image at an address. Never rejects. */
  async lookUp(url: string): Promise<Outcome> {
    // What the user asked for earlier.
    const cached = await getCached(url);
    return cached ?? this.limit(() => this.ask(url));
  }

  private async ask(url: string): Promise<Outcome> {
    const failure = await this.gate.closed();
    if (failure) return { state: "unavailable", failure };
    if (!URL.canParse(url)) return unavailable("bad_url");
    const hash = await hashOf(url);
    try {
      const verdict = (await this.verdictsOf(hash.slice(0, PREFIX_DIGITS))).get(hash);
      const isValid = verdict && Date.parse(verdict.expires_at) > Date.now();
      return isValid ? { state: "classified", verdict } : UNKNOWN;
    } catch (error) {
      return this.gate.failed(error);
    }
  }

  private verdictsOf(prefix: string): Promise<Map<string, Verdict>> {
    const known = this.running.get(prefix);
    if (known) return known;
    const verdicts = this.request(prefix).finally(() => this.running.delete(prefix));
    this.running.set(prefix, verdicts);
    return verdicts;
  }

  private async request(prefix: string): Promise<Map<string, Verdict>> {
    const verdicts = await (await this.api()).lookup(prefix);
    await this.gate.open();
    return verdicts;
  }
}

/** The hash of an address, as the server computes it: SHA-256 of the address without fragment. */
async function hashOf(url: string): Promise<string> {
  const canonical = new URL(url).href.split("#")[0]!;
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(canonical));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
