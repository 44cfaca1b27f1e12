import { type Browser, browser } from "wxt/browser";
import { defineBackground } from "wxt/utils/define-background";
import { Api } from "../lib/api";
import type { CheckRequest, PageRequest } from "../lib/messages";
import { loadSettings } from "../lib/settings";
import { type Outcome, unavailable } from "../lib/verdict";
import { Checker } from "../lib/worker/checker";
import { clearCache } from "../lib/worker/cache";
import { createMenu, onMenuClicked } from "../lib/worker/menu";
import { FetchError, fetchImage } from "../lib/worker/fetch";

export default defineBackground(() => {
  const checker = new Checker(async () => {
    const { server, key } = await loadSettings();
    return new Api(server, key);
  });

  browser.runtime.onInstalled.addListener(createMenu);
  browser.contextMenus.onClicked.addListener(onMenuClicked);
  browser.action.onClicked.addListener(() => void browser.runtime.openOptionsPage());
  browser.storage.local.onChanged.addListener((changes) => {
    if ("server" in changes) void clearCache();
  });
  browser.runtime.onMessage.addListener((request: PageRequest, sender, reply) => {
    if (request.kind === "open-options") {
      void browser.runtime.openOptionsPage();
      return false;
    }
    void answer(checker, request, sender).then(reply);
    return true; // The reply is asynchronous.
  });
});

async function answer(
  checker: Checker,
  request: CheckRequest,
  sender: Browser.runtime.MessageSender,
): Promise<Outcome> {
  switch (request.kind) {
    case "check-url": {
      const page = originOf(sender);
      const { url } = request;
      return request.again ? checker.checkAgain(url, page) : checker.check(url, page);
    }
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

/** The origin of the sending page. Undefined if it has none, such as a local file. */
function originOf(sender: Browser.runtime.MessageSender): string | undefined {
  const { origin } = new URL(sender.url ?? "about:blank");
  return origin.startsWith("http") ? origin : undefined;
}
