/** Requests to the API. Every refusal becomes a sentence for people. */

import { apiKey, refuseKey } from "./key.js";

export class Refusal extends Error {
  constructor(sentence, { status = 0, seconds } = {}) {
    super(sentence);
    this.status = status;
    /** Seconds after which the request may be repeated, if the server said so. */
    this.seconds = seconds;
  }

  /** Whether the same request may succeed later. */
  get isPassing() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/** Send a request, and return the response if the server accepted it. */
export async function call(path, { headers, ...options } = {}) {
  const key = apiKey();
  const authorization = key ? { Authorization: `Bearer ${key}` } : {};
  let response;
  try {
    response = await fetch(path, { ...options, headers: { ...headers, ...authorization } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal("The server does not answer. Is it running?");
  }
  if (response.ok) return response;
  throw await refusal(response, key);
}

export const json = async (path, options) => (await call(path, options)).json();

/** Send an object as JSON, and return the answer's. */
export const post = (path, body) =>
  json(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });

async function refusal(response, key) {
  const { status } = response;
  const problem = await response.json().catch(() => ({}));
  const detail = problem.errors?.[0]?.detail ?? problem.detail ?? `The server answered ${status}.`;
  if (status === 401) {
    refuseKey(key ? detail : "");
    return new Refusal(key ? detail : "Enter an API key first.", { status });
  }
  const seconds = Number(response.headers.get("Retry-After")) || undefined;
  const later = seconds ? ` Try again in ${seconds} s.` : "";
  return new Refusal(detail + later, { status, seconds });
}
