import { browser } from "wxt/browser";
import { defineContentScript } from "wxt/utils/define-content-script";
import type { PageMessage } from "../lib/messages";
import { applySettings } from "../lib/page/apply";
import { Page } from "../lib/page/page";
import { answerPopups } from "../lib/page/reporter";

export default defineContentScript({
  matches: ["http://*/*", "https://*/*"],
  allFrames: true,
  // Frames without an address of their own (about:blank, srcdoc, blob:) belong to the page.
  matchOriginAsFallback: true,
  main(ctx) {
    if (!(document.documentElement instanceof HTMLElement)) return;
    const page = new Page();
    const onMessage = (message: PageMessage, _sender: unknown, reply: (seen: boolean) => void) => {
      reply(true);
      if (message.kind === "try-again") page.tryAgain();
      else if (message.kind === "check-page") page.checkAll();
      else void page.checkTarget(message.url);
    };
    browser.runtime.onMessage.addListener(onMessage);
    const stopAnswering = answerPopups(page);
    const stopApplying = applySettings(page);
    ctx.onInvalidated(() => {
      stopAnswering();
      stopApplying();
      page.stop();
    });
  },
});
