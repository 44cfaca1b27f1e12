/** The popup's connection to the frames of a page. */

import { type Browser, browser } from "wxt/browser";
import type { CheckPage } from "../messages";
import { type FrameReport, POPUP_PORT, type Report, type ShowImage } from "../report";
import { CONTENT_SCRIPT } from "../worker/menu";

export class PageLink {
  private readonly reports = new Map<string, Report>();
  private port: Browser.runtime.Port | undefined;

  /** @param onChange is called with the reports of all frames; with none, Assay cannot run there */
  constructor(
    private readonly tab: number,
    private readonly onChange: (reports: ReadonlyMap<string, Report>) => void,
  ) {}

  /** Connect to the page. If nobody answers, run the content script there first. */
  start(): void {
    this.connect(() => void this.runContentScript());
  }

  /** Scroll to an image, and highlight it. */
  showImage(request: ShowImage): void {
    this.port?.postMessage(request);
  }

  /** Check all images of the page. */
  async checkPage(): Promise<void> {
    await browser.tabs.sendMessage<CheckPage>(this.tab, { kind: "check-page" });
  }

  private connect(onNobody: () => void): void {
    const port = browser.tabs.connect(this.tab, { name: POPUP_PORT });
    this.port = port;
    port.onMessage.addListener(({ frame, report }: FrameReport) => {
      this.reports.set(frame, report);
      this.onChange(this.reports);
    });
    port.onDisconnect.addListener(() => {
      void browser.runtime.lastError; // Otherwise Chrome reports it as an unhandled error.
      this.port = undefined;
      if (this.reports.size === 0) onNobody();
    });
  }

  private async runContentScript(): Promise<void> {
    const giveUp = () => this.onChange(this.reports);
    try {
      const target = { tabId: this.tab, allFrames: true };
      await browser.scripting.executeScript({ target, files: [CONTENT_SCRIPT] });
      this.connect(giveUp);
    } catch {
      giveUp(); // The browser allows no extension on its own pages.
    }
  }
}
