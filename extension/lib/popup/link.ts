/** The popup's connection to the frames of a page. */

import { type Browser, browser } from "wxt/browser";
import { type FrameReport, POPUP_PORT, type Report, type ShowImage } from "../report";
import { addContentScript, checkPageIn } from "../worker/tabs";

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
    await checkPageIn(this.tab);
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
      await addContentScript(this.tab, { allFrames: true });
      this.connect(giveUp);
    } catch {
      giveUp(); // The browser allows no extension on its own pages.
    }
  }
}
