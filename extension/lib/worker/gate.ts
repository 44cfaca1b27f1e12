/** Holds checks back while the server is in trouble, so that each image is not one more request. */

import { browser } from "wxt/browser";
import { ApiError } from "../api";
import { type Failure, type Outcome, unavailable } from "../verdict";

/** Milliseconds until the server is tried again. Each further failure doubles them. */
const FIRST_PAUSE = 5_000;

const LONGEST_PAUSE = 60_000;

/** Shortest time, in milliseconds, that the server can set with `Retry-After`. */
const SHORTEST_PAUSE = 1_000;

/** Where the trouble is kept in the session storage: the browser may stop the worker any time. */
const KEY = "trouble";

interface Trouble {
  failure: Failure & { retryAt: number };
  /** How often the server was tried in vain. */
  failures: number;
}

export class Gate {
  private trouble: Promise<Trouble | undefined> = loadTrouble();

  /** @param onChange is told about each failure, and with undefined that there is none any more */
  constructor(private readonly onChange: (failure: Failure | undefined) => void) {}

  /** What is wrong with the server, as far as is known. */
  async failure(): Promise<Failure | undefined> {
    return (await this.trouble)?.failure;
  }

  /** Why no check may be sent now. Undefined if it may. */
  async closed(): Promise<Failure | undefined> {
    const trouble = await this.trouble;
    return trouble && trouble.failure.retryAt > Date.now() ? trouble.failure : undefined;
  }

  /** The outcome of a failed request. If the server is at fault, no more may be sent for a while. */
  async failed(error: unknown): Promise<Outcome> {
    if (!(error instanceof ApiError)) return unavailable("server_error", String(error));
    if (error.code === "too_large") return unavailable(error.code, error.detail);
    return { state: "unavailable", failure: await this.close(error) };
  }

  /** The server works, or has other settings. */
  async open(): Promise<void> {
    if (await this.trouble) await this.change(undefined);
  }

  /** The server failed. Returns the failure, with the time of the next try. */
  private async close({ code, detail, retryAfter }: ApiError): Promise<Failure> {
    const before = await this.trouble;
    // Failures of requests that were sent together count once.
    const failures = before ? before.failures + Number(before.failure.retryAt <= Date.now()) : 1;
    const pause = Math.min(FIRST_PAUSE * 2 ** (failures - 1), LONGEST_PAUSE);
    const wait = retryAfter === undefined ? pause : Math.max(retryAfter * 1000, SHORTEST_PAUSE);
    const failure = { code, detail, retryAt: Date.now() + wait };
    await this.change({ failure, failures });
    return failure;
  }

  private async change(trouble: Trouble | undefined): Promise<void> {
    this.trouble = Promise.resolve(trouble);
    this.onChange(trouble?.failure);
    await storeTrouble(trouble).catch(() => {
      // The storage is full. Then a stopped worker forgets the trouble, and meets it again.
    });
  }
}

function storeTrouble(trouble: Trouble | undefined): Promise<void> {
  const { session } = browser.storage;
  return trouble ? session.set({ [KEY]: trouble }) : session.remove(KEY);
}

async function loadTrouble(): Promise<Trouble | undefined> {
  const found: Record<string, Trouble> = await browser.storage.session.get(KEY);
  return found[KEY];
}
