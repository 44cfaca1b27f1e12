/** Tells an open popup what is known about this frame's images, and shows the ones it asks for. */

import { type Browser, browser } from "wxt/browser";
import { type FrameReport, POPUP_PORT, type ShowImage } from "../report";
import type { Page } from "./page";

/** Milliseconds during which changes are collected into a report. */
const WINDOW = 100;

/** Answer popups. Returns a function that stops it. */
export function answerPopups(page: Page): () => void {
  const frame = crypto.getRandomValues(new Uint32Array(2)).join("-");
  const onConnect = (port: Browser.runtime.Port) => {
    if (port.name === POPUP_PORT) answer(port, page, frame);
  };
  browser.runtime.onConnect.addListener(onConnect);
  return () => browser.runtime.onConnect.removeListener(onConnect);
}

function answer(port: Browser.runtime.Port, page: Page, frame: string): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const send = () => {
    timer = undefined;
    port.postMessage({ frame, report: page.report() } satisfies FrameReport);
  };
  const stop = page.onReport(() => {
    timer ??= setTimeout(send, WINDOW);
  });
  port.onMessage.addListener((request: ShowImage) => {
    if (request.frame === frame) page.showImage(request.image);
  });
  port.onDisconnect.addListener(() => {
    clearTimeout(timer);
    stop();
  });
  send();
}
