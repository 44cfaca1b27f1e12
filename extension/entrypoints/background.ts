import { type Browser, browser } from "wxt/browser";
import { defineBackground } from "wxt/utils/define-background";
import { Api } from "../lib/api";
import { refreshLanguage } from "../lib/language";
import type { CheckRequest, WorkerRequest } from "../lib/messages";
import { loadSettings, migrateSettings } from "../lib/settings";
import { type Failure, type Outcome, UNKNOWN, unavailable } from "../lib/verdict";
import { onCommand } from "../lib/worker/commands";
import { sendContest } from "../lib/worker/contest";
import { getExplanation } from "../lib/worker/explain";
import { Checker } from "../lib/worker/checker";
import { clearCache } from "../lib/worker/cache";
import { Gate } from "../lib/worker/gate";
import { Lookups } from "../lib/worker/lookups";
import { createMenu, onMenuClicked, translateMenu } from "../lib/worker/menu";
import { FetchError, fetchImage } from "../lib/worker/fetch";
import { record } from "../lib/worker/recorder";
import { tryAgainOnPages } from "../lib/worker/pages";
import { showTrouble } from "../lib/worker/toolbar";
import { Uploads } from "../lib/worker/uploads";

export default defineBackground(() => {
  const gate = new Gate(onTrouble);
  const checker = new Checker(currentApi, gate);
  const uploads = new Uploads(currentApi, gate);
  const lookups = new Lookups(currentApi, gate);

  browser.runtime.onInstalled.addListener(async () => {
    await createMenu();
    await refreshLanguage();
  });
  browser.runtime.onInstalled.addListener(() => void migrateSettings());
  browser.contextMenus.onClicked.addListener(onMenuClicked);
  browser.commands.onCommand.addListener(onCommand);
  browser.storage.local.onChanged.addListener((changes) => {
    // Firefox also reports what was stored again unchanged.
    const isNew = (name: "server" | "key" | "privateLookups" | "language") =>
      changes[name]?.oldValue !== changes[name]?.newValue;
    if (isNew("server")) void clearCache();
    if (isNew("server") || isNew("key")) void gate.open();
    if (isNew("language")) {
      void translateMenu();
      void gate.failure().then(showTrouble);
    }
    if (isNew("privateLookups")) void tryAgainOnPages();
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
      case "contest":
        void currentApi()
          .then((api) => sendContest(api, request))
          .then(reply);
        return true; // The reply is asynchronous.
      case "explain":
        void currentApi()
          .then((api) => getExplanation(api, request, originOf(sender)))
          .then(reply);
        return true; // The reply is asynchronous.
      default:
        void answer({ checker, uploads, lookups }, request, sender).then((outcome) => {
          reply(outcome);
          // The history is no reason to fail: the storage may be full.
          void record(request, outcome, sender).catch(console.warn);
        });
        return true; // The reply is asynchronous.
    }
  });
});

function onTrouble(failure: Failure | undefined): void {
  void showTrouble(failure);
  if (!failure) void tryAgainOnPages();
}

async function currentApi(): Promise<Api> {
  const { server, key } = await loadSettings();
  return new Api(server, key);
}

interface Checkers {
  checker: Checker;
  uploads: Uploads;
  lookups: Lookups;
}

async function answer(
  { checker, uploads, lookups }: Checkers,
  request: CheckRequest,
  sender: Browser.runtime.MessageSender,
): Promise<Outcome> {
  const { privateLookups } = await loadSettings();
  switch (request.kind) {
    case "check-url":
      if (privateLookups && !request.asked) return lookups.lookUp(request.url);
      return checker.check(request.url, originOf(sender), askerOf(sender));
    case "check-now":
      return checker.checkNow(request.url, originOf(sender), request.again);
    case "check-bytes":
      if (privateLookups && !request.asked) return UNKNOWN;
      return uploads.check(await read(request.data));
    case "check-bytes-now":
      return uploads.checkNow(await read(request.data), request.again);
    case "check-fetch":
      try {
        const image = await fetchImage(request.url, request.askPermission === true);
        return await uploads.checkNow(image, false);
      } catch (error) {
        return unavailable(error instanceof FetchError ? error.code : "unreadable");
      }
  }
}

async function read(data: string): Promise<Blob> {
  return (await fetch(data)).blob();
}

/** The frame that sends, as a key. */
function askerOf({ tab, frameId }: Browser.runtime.MessageSender): string {
  return `${tab?.id}/${frameId}`;
}

/** The origin of the sending page. Undefined if it has none, such as a local file. */
function originOf({ origin }: Browser.runtime.MessageSender): string | undefined {
  return origin?.startsWith("http") ? origin : undefined;
}
