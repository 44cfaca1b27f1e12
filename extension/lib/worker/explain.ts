/** Has the server draw where an image looks AI-made. */

import { type Api, ApiError } from "../api";
import type { Explain, Explained } from "../messages";
import { toDataUrl } from "../page/bytes";
import type { Failure } from "../verdict";
import { FetchError, fetchImage } from "./fetch";
import { keyOf } from "./uploads";

/**
 * Get the picture, and what the verdict rests on. Never rejects.
 *
 * @param page the origin of the page that shows the image
 */
export async function getExplanation(
  api: Api,
  request: Explain,
  page: string | undefined,
): Promise<Explained> {
  // In turn, so that a refusal of the picture still leaves the sentences.
  const sentences = await api.explainInWords(request.sha256).catch(() => []);
  try {
    return { sentences, picture: await toDataUrl(await draw(api, request, page)) };
  } catch (error) {
    return { sentences, failure: failureOf(error) };
  }
}

async function draw(
  api: Api,
  { sha256, url = "", isLocal, data }: Explain,
  page: string | undefined,
): Promise<Blob> {
  if (url && !isLocal) return api.explain(sha256, page ? { url, page } : { url });
  const file = data ? await (await fetch(data)).blob() : await fetchImage(url, false);
  // Another file would be refused, so it need not leave the browser.
  if ((await keyOf(file)) !== `sha256:${sha256}`) throw new ApiError("changed");
  return api.explain(sha256, file);
}

function failureOf(error: unknown): Failure {
  if (error instanceof ApiError) return { code: error.code, detail: error.detail };
  return { code: error instanceof FetchError ? error.code : "server_error", detail: "" };
}
