/** Records the outcomes of checks in the history. */

import { type Browser, browser } from "wxt/browser";
import { addEntry } from "../history";
import type { CheckRequest, GetThumbnail } from "../messages";
import { isWebUrl } from "../page/url";
import { loadSettings } from "../settings";
import { drawThumbnail } from "../thumbnail";
import type { Outcome } from "../verdict";

/**
 * Codes of failures that say nothing about the image. Failures of the server have a time of the next
 * try instead.
 */
const NO_RESULT = new Set(["interrupted", "not_known"]);

/** Record an outcome, unless the user does not want it or the page is in a private window. */
export async function record(
  request: CheckRequest,
  outcome: Outcome,
  sender: Browser.runtime.MessageSender,
): Promise<void> {
  const { tab, frameId } = sender;
  const url = addressOf(request, outcome);
  if (tab?.id === undefined || tab.incognito || !url || !isResult(outcome)) return;
  if (!(await loadSettings()).history) return;
  const time = Date.now();
  const thumbnail =
    "data" in request
      ? await drawFile(request.data)
      : await askForThumbnail(request.url, tab.id, frameId);
  await addEntry({ url, page: pageOf(sender), time, outcome, thumbnail });
}

/** The address of the page. Some frames have only an origin, and some not even that. */
function pageOf({ url = "", origin = "" }: Browser.runtime.MessageSender): string {
  return [url, origin].find(isWebUrl) ?? "";
}

function isResult(outcome: Outcome): boolean {
  if (outcome.state === "classified") return true;
  return outcome.failure.retryAt === undefined && !NO_RESULT.has(outcome.failure.code);
}

/** An image without a web address is known by its hash. Undefined if that is unknown, too. */
function addressOf(request: CheckRequest, outcome: Outcome): string | undefined {
  if ("url" in request) return request.url;
  return outcome.state === "classified" ? `sha256:${outcome.verdict.image.sha256}` : undefined;
}

async function drawFile(data: string): Promise<string | undefined> {
  const file = await (await fetch(data)).blob();
  const bitmap = await createImageBitmap(file).catch(() => undefined);
  return bitmap && drawThumbnail(bitmap);
}

/** The page has the image. To fetch it here would be a new request to its site. */
async function askForThumbnail(
  url: string,
  tabId: number,
  frameId = 0,
): Promise<string | undefined> {
  const message: GetThumbnail = { kind: "get-thumbnail", url };
  try {
    return await browser.tabs.sendMessage(tabId, message, { frameId });
  } catch {
    return undefined; // The page is gone.
  }
}
