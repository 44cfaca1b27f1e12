import { beforeEach, expect, test, vi } from "vitest";
import { fakeBrowser } from "wxt/testing";
import { answerPopups } from "../../lib/page/reporter";
import { Page } from "../../lib/page/page";
import { classified } from "../examples";
import { bringNear, fakeObservers, makeImage } from "./layout";

/** An event to which a test can add listeners and which it can dispatch. */
function event<Args extends unknown[]>() {
  const listeners = new Set<(...args: Args) => void>();
  return {
    addListener: (listener: (...args: Args) => void) => listeners.add(listener),
    removeListener: (listener: (...args: Args) => void) => listeners.delete(listener),
    dispatch: (...args: Args) => listeners.forEach((listener) => listener(...args)),
  };
}

function makePort(name = "popup") {
  return { name, postMessage: vi.fn(), onMessage: event<[object]>(), onDisconnect: event<[]>() };
}

const onConnect = event<[object]>();

beforeEach(() => {
  fakeObservers();
  document.body.innerHTML = "";
  document.elementsFromPoint = () => [];
  Object.assign(fakeBrowser.runtime, { onConnect });
  fakeBrowser.runtime.onMessage.addListener(async () => classified());
});

test("a popup gets the counts at once and after changes, until it closes", async () => {
  const page = new Page();
  const stop = answerPopups(page);
  const port = makePort();
  onConnect.dispatch(port);
  expect(port.postMessage.mock.lastCall![0].report).toMatchObject({
    counts: { ai: 0 },
    isTop: true,
    host: location.hostname,
  });
  const image = makeImage();
  image.alt = "A cat";
  document.body.append(image);
  page.setBadges(true);
  bringNear(image);
  const last = () => port.postMessage.mock.lastCall![0];
  await vi.waitFor(() => expect(last().report.counts.ai).toBe(1));
  expect(last().report.flagged[0]).toMatchObject({ alt: "A cat", probability: 0.93 });

  image.scrollIntoView = vi.fn();
  const request = { frame: last().frame, image: last().report.flagged[0].id };
  port.onMessage.dispatch({ ...request, frame: "another" });
  expect(image.scrollIntoView).not.toHaveBeenCalled();
  port.onMessage.dispatch(request);
  expect(image.scrollIntoView).toHaveBeenCalledOnce();
  const { shadowRoot } = document.querySelector("assay-overlay")!;
  expect(shadowRoot!.querySelectorAll(".ring")).toHaveLength(1);

  port.onDisconnect.dispatch();
  port.postMessage.mockClear();
  vi.useFakeTimers();
  page.setBadges(false);
  vi.advanceTimersByTime(1000);
  vi.useRealTimers();
  expect(port.postMessage).not.toHaveBeenCalled();
  stop();
  const late = makePort();
  onConnect.dispatch(late);
  expect(late.postMessage).not.toHaveBeenCalled();
  page.stop();
});

test("other ports are not answered", () => {
  const page = new Page();
  const stop = answerPopups(page);
  const port = makePort("another");
  onConnect.dispatch(port);
  expect(port.postMessage).not.toHaveBeenCalled();
  stop();
  page.stop();
});
