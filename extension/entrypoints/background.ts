import { type Browser, browser } from "wxt/browser";
import { defineBackground } from "wxt/utils/define-background";
import { Api } from "../lib/api";
import type { CheckRequest, WorkerRequest } from "../lib/messages";
import { loadSettings } from "../lib/settings";
import { type Failure, type Outcome, unavailable } from "../lib/verdict";
import { Checker } from "../lib/worker/checker";
import { clearCache } from "../lib/worker/cache";
import { Gate } from "../lib/worker/gate";
import { createMenu, onMenuClicked } from "../lib/worker/menu";
import { FetchError, fetchImage } from "../lib/worker/fetch";
import { tryAgainOnPages } from "../lib/worker/pages";
import { showTrouble } from "../lib/worker/toolbar";

export default defineBackground(() => {
  const gate = new Gate(onTrouble);
  const checker = new Checker(async () => {
    const { server, key } = await loadSettings();
    return new Api(server, key);
  }, gate);

  browser.runtime.onInstalled.addListener(createMenu);
  browser.contextMenus.onClicked.addListener(onMenuClicked);
  browser.action.onClicked.addListener(() => void browser.runtime.openOptionsPage());
  browser.storage.local.onChanged.addListener((changes) => {
    // Firefox also reports what was stored again unchanged.
    const isNew = (name: "server" | "key") => changes[name]?.oldValue !== changes[name]?.newValue;
    if (isNew("server")) void clearCache();
    if (isNew("server") || isNew("key")) void gate.open();
  });
  browser.runtime.onMessage.addListener((request: WorkerRequest, sender, reply) => {
    switch (request.kind) {
      case "open-options":
        void browser.runtime.openOptionsPage();
        return false;
      case "server-works":
        void gate.open();
        return false;
      case "cancel":
        checker.cancel(request.url, askerOf(sender));
        return false;
      default:
        void answer(checker, request, sender).then(reply);
        return true; // The reply is asynchronous.
    }
  });
});

function onTrouble(failure: Failure | undefined): void {
  void showTrouble(failure);
  if (!failure) void tryAgainOnPages();
}

async function answer(
  checker: Checker,
  request: CheckRequest,
  sender: Browser.runtime.MessageSender,
): Promise<Outcome> {
  switch (request.kind) {
    case "check-url":
      return checker.check(request.url, originOf(sender), askerOf(sender));
    case "check-now":
      return checker.checkNow(request.url, originOf(sender), request.again);
    case "check-bytes":
      return checker.checkBytes(await (await fetch(request.data)).blob());
    case "check-fetch":
      try {
        return await checker.checkBytes(await fetchImage(request.url, request.askPermission === true));
      } catch (error) {
        return unavailable(error instanceof FetchError ? error.code : "unreadable");
      }
  }
}

/** The frame that sends, as a key. */
function askerOf({ tab, frameId }: Browser.runtime.MessageSender): string {
  return `${tab?.id}/${frameId}`;
}

/** The origin of the sending page. Undefined if it has none, such as a local file. */
function originOf(sender: Browser.runtime.MessageSender): string | undefined {
  const { origin } = new URL(sender.url ?? "about:blank");
  return origin.startsWith("http") ? origin : undefined;
}
