import { browser } from "wxt/browser";
import { defineContentScript } from "wxt/utils/define-content-script";
import type { PageMessage } from "../lib/messages";
import { Page } from "../lib/page/page";
import { badgesEnabled, loadSettings, onSettings, type Settings } from "../lib/settings";

export default defineContentScript({
  matches: ["http://*/*", "https://*/*"],
  allFrames: true,
  // Frames without an address of their own (about:blank, srcdoc, blob:) belong to the page.
  matchOriginAsFallback: true,
  async main(ctx) {
    if (!(document.documentElement instanceof HTMLElement)) return;
    const page = new Page();
    const onMessage = (message: PageMessage, _sender: unknown, reply: (seen: boolean) => void) => {
      reply(true);
      if (message.kind === "try-again") page.tryAgain();
      else void page.checkTarget(message.url);
    };
    browser.runtime.onMessage.addListener(onMessage);
    const apply = (settings: Settings) => page.setBadges(badgesEnabled(settings, window));
    const stopListening = onSettings(apply);
    ctx.addEventListener(window, "pageshow", async ({ persisted }) => {
      if (!persisted) return;
      // While the browser kept the page for "back", it may have missed answers and settings.
      page.setBadges(false);
      apply(await loadSettings());
    });
    ctx.onInvalidated(() => {
      stopListening();
      page.stop();
    });
    apply(await loadSettings());
  },
});
