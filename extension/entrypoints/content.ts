import { browser } from "wxt/browser";
import { defineContentScript } from "wxt/utils/define-content-script";
import type { PageMessage } from "../lib/messages";
import { Page } from "../lib/page/page";
import { badgesEnabled, loadSettings, onSettings } from "../lib/settings";

export default defineContentScript({
  matches: ["http://*/*", "https://*/*"],
  allFrames: true,
  async main(ctx) {
    if (!(document.documentElement instanceof HTMLElement)) return;
    const page = new Page();
    const onMessage = (message: PageMessage, _sender: unknown, reply: (seen: boolean) => void) => {
      reply(true);
      if (message.kind === "try-again") page.tryAgain();
      else void page.checkTarget(message.url);
    };
    browser.runtime.onMessage.addListener(onMessage);
    const stopListening = onSettings((settings) => {
      page.setBadges(badgesEnabled(settings, location));
    });
    ctx.onInvalidated(() => {
      stopListening();
      page.stop();
    });
    page.setBadges(badgesEnabled(await loadSettings(), location));
  },
});
