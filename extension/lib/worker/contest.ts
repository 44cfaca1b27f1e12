/** Tells the server that a verdict is wrong. */

import { type Api, ApiError } from "../api";
import type { Contest, Contested } from "../messages";
import { isWebUrl } from "../page/url";

/** Send what the user knows about an image. Never rejects. */
export async function sendContest(
  api: Api,
  { url, sha256, says, comment }: Contest,
): Promise<Contested> {
  const feedback = comment ? { says, comment } : { says };
  // The address first: only what can be fetched again is of use for training. An image whose file
  // the browser sent has its verdict under the hash.
  const names = [...(isWebUrl(url) ? [{ url }] : []), ...(sha256 ? [{ sha256 }] : [])];
  let failure = { code: "no_verdict", detail: "" };
  for (const name of names) {
    try {
      await api.contest({ ...name, ...feedback });
      return {};
    } catch (error) {
      if (!(error instanceof ApiError)) return { failure: { code: "server_error", detail: "" } };
      failure = { code: error.code, detail: error.detail };
      if (error.code !== "no_verdict") break;
    }
  }
  return { failure };
}
