/** Records the outcomes of checks in the history. */

import type { Browser } from "wxt/browser";
import { addEntry } from "../history";
import type { CheckRequest } from "../messages";
import { isWebUrl } from "../page/url";
import { loadSettings } from "../settings";
import { getPicture } from "../pictures";
import { drawThumbnail } from "../thumbnail";
import { type Outcome, stateOf } from "../verdict";

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
  const entry = { url, page: pageOf(sender), time, outcome };
  const shownIn = { tab: tab.id, frame: frameId ?? 0 };
  if ("data" in request) return addEntry({ ...entry, thumbnail: await drawFile(request.data, outcome) });
  // Pages have many images. A picture of each takes their time, and few people look at it.
  if (request.kind === "check-url" && stateOf(outcome) !== "ai") return addEntry({ ...entry, shownIn });
  const hasBadge = request.kind === "check-url";
  await addEntry({ ...entry, thumbnail: await getPicture(request.url, shownIn, hasBadge) });
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

async function drawFile(data: string, outcome: Outcome): Promise<string | undefined> {
  if (outcome.state !== "classified") return undefined;
  return drawThumbnail(await (await fetch(data)).blob(), outcome.verdict.image);
}
