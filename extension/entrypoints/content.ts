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
  // "document_idle" is up to 200 ms later, and the first badge with it.
  runAt: "document_end",
  main(ctx) {
    if (!(document.documentElement instanceof HTMLElement)) return;
    const page = new Page();
    const onMessage = (message: PageMessage, _sender: unknown, reply: (answer: unknown) => void) => {
      switch (message.kind) {
        case "get-thumbnail":
          void page.thumbnailOf(message).then(reply);
          return true; // The reply is asynchronous.
        case "check-pointed":
          // Only the frame that has the image replies.
          if (page.checkPointed()) reply(true);
          return false;
      }
      reply(true);
      if (message.kind === "try-again") page.tryAgain();
      else if (message.kind === "check-page") page.checkAll();
      else if (message.kind === "check-link") void page.checkLink(message.url);
      else if (message.kind === "show-none") void page.showNone();
      else void page.checkTarget(message.url);
      return false;
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
