import { readFileSync } from "node:fs";
import { beforeEach, expect, test, vi } from "vitest";
import { fakeBrowser } from "wxt/testing";
import { Popup } from "../lib/popup/popup";
import { type Counts, noCounts, type Report } from "../lib/report";
import { loadSettings, saveSettings, type Settings } from "../lib/settings";

const connect = vi.fn();
const executeScript = vi.fn();
const sendMessage = vi.fn();
const fetched = vi.fn();

/** The popup's end of a port, and what the test does as the page at its other end. */
function makePort() {
  const listeners = { message: [] as ((message: object) => void)[], end: [] as (() => void)[] };
  return {
    postMessage: vi.fn(),
    onMessage: { addListener: (each: (message: object) => void) => listeners.message.push(each) },
    onDisconnect: { addListener: (each: () => void) => listeners.end.push(each) },
    answer: (message: object) => listeners.message.forEach((each) => each(message)),
    disconnect: () => listeners.end.forEach((each) => each()),
  };
}

/** What decides most labels. */
const PIXELS = "pixels" as const;

let port: ReturnType<typeof makePort>;

beforeEach(() => {
  vi.resetAllMocks();
  port = makePort();
  connect.mockReturnValue(port);
  fetched.mockImplementation(async () => Response.json({ status: "ready", model_version: "m1" }));
  vi.stubGlobal("fetch", fetched);
  Object.assign(fakeBrowser.tabs, { query: async () => [{ id: 7, windowId: 5 }], connect, sendMessage });
  Object.assign(fakeBrowser.permissions, { contains: async () => true });
  Object.assign(fakeBrowser.scripting, { executeScript });
  const html = readFileSync("entrypoints/popup/index.html", "utf8");
  document.body.innerHTML = /<main>.*<\/footer>/s.exec(html)![0];
});

const byId = <Field extends HTMLElement>(id: string) => document.getElementById(id) as Field;
const isShown = (id: string) => byId(id).closest("[hidden]") === null;

function report(counts: Partial<Counts>, change: Partial<Report> = {}): Report {
  return {
    counts: { ...noCounts(), ...counts },
    flagged: [],
    isTop: true,
    host: "news.example",
    origin: "https://news.example",
    ...change,
  };
}

async function open(settings: Partial<Settings> = {}): Promise<void> {
  await saveSettings(settings);
  await new Popup(document).start();
  port.answer({ frame: "top", report: report({}) });
}

const counts = () => [...byId("counts").children].map(({ textContent }) => textContent);

test("the counts of all frames are summed, by label", async () => {
  await open();
  expect(isShown("no-images")).toBe(true);
  port.answer({ frame: "top", report: report({ ai: 1, real: 20 }) });
  port.answer({ frame: "advert", report: report({ ai: 2, checking: 1 }, { isTop: false }) });
  expect(counts()).toEqual(["3Likely AI", "20No sign of AI", "1Checking…"]);
  expect(isShown("no-images")).toBe(false);
  port.answer({ frame: "advert", report: report({ ai: 3 }, { isTop: false }) });
  expect(counts()).toEqual(["4Likely AI", "20No sign of AI"]);
});

test("a click on a flagged image has its frame show it", async () => {
  await open();
  const flagged = [
    { id: 5, url: "https://x.example/a/b.jpg?c", alt: "A cat", probability: 0.93, decided_by: PIXELS },
    { id: 6, url: "https://x.example/a/b.jpg?c", alt: "", probability: 0.999, decided_by: PIXELS },
    { id: 7, url: "", alt: "", probability: 0.9, decided_by: PIXELS },
    { id: 8, url: "", alt: "A dog", probability: 0.1, decided_by: "credentials" as const },
  ];
  port.answer({ frame: "advert", report: report({ ai: 3 }, { flagged, isTop: false }) });
  const buttons = [...byId("flagged-list").querySelectorAll("button")];
  expect(buttons.map(({ textContent }) => textContent)).toEqual([
    "A cat 93%",
    "b.jpg >\u00a099%",
    "image without a description 90%",
    "A dog signed",
  ]);
  buttons[1]!.click();
  expect(port.postMessage).toHaveBeenCalledExactlyOnceWith({ frame: "advert", image: 6 });
});

test("a new report leaves the focus where it was", async () => {
  await open();
  const flagged = [{ id: 5, url: "https://x.example/b.jpg", alt: "A cat", probability: 0.93, decided_by: PIXELS }];
  port.answer({ frame: "top", report: report({ ai: 1 }, { flagged }) });
  byId("flagged-list").querySelector("button")!.focus();
  port.answer({ frame: "top", report: report({ ai: 1, real: 1 }, { flagged }) });
  expect(document.activeElement!.textContent).toBe("A cat 93%");
});

test("the site switch changes the list of the mode", async () => {
  await open();
  expect(byId("page-title").textContent).toBe("news.example");
  const toggle = byId<HTMLInputElement>("site-on");
  expect(toggle.checked).toBe(true);
  expect(isShown("check-page")).toBe(false);
  toggle.click();
  await vi.waitFor(async () => expect((await loadSettings()).sitesOff).toEqual(["news.example"]));
  await vi.waitFor(() => expect(isShown("check-page")).toBe(true));
  const mode = byId<HTMLSelectElement>("mode");
  mode.value = "chosen";
  mode.dispatchEvent(new Event("change"));
  await vi.waitFor(async () => expect((await loadSettings()).mode).toBe("chosen"));
  expect(toggle.checked).toBe(false);
  toggle.click();
  await vi.waitFor(async () => expect((await loadSettings()).sitesOn).toEqual(["news.example"]));
});

test("manual mode offers to check the page, and has nothing to switch or pause", async () => {
  await open({ mode: "manual" });
  expect(["site", "pause", "paused"].filter(isShown)).toEqual([]);
  byId("check-page").click();
  expect(sendMessage).toHaveBeenCalledExactlyOnceWith(7, { kind: "check-page" });
});

test("a pause of an hour says when it ends, and can be ended", async () => {
  await open();
  byId("pause-hour").click();
  await vi.waitFor(() => expect(isShown("paused")).toBe(true));
  const { pausedUntil } = await loadSettings();
  expect(Math.abs(pausedUntil - Date.now() - 3_600_000)).toBeLessThan(60_000);
  expect(byId("paused-until").textContent).toMatch(/^Paused until \d/);
  expect(isShown("pause")).toBe(false);
  expect(isShown("check-page")).toBe(true);
  byId("resume").click();
  await vi.waitFor(() => expect(isShown("pause")).toBe(true));
  byId("pause-on").click();
  await vi.waitFor(() => expect(byId("paused-until").textContent).toMatch(/^Paused\. /));
});

test.each([
  ["works", async () => Response.json({ status: "ready", model_version: "m1" }), "Model m1", "true"],
  ["is down", () => Promise.reject(new TypeError()), "server not running", "false"],
  ["needs a key", async () => new Response("", { status: 401 }), "API key missing", "false"],
])("it is said that the server %s", async (_name, answer, said, ok) => {
  fetched.mockImplementation(answer);
  await open();
  expect(byId("server").textContent).toContain(said);
  expect(byId("server").dataset.ok).toBe(ok);
});

test("a server to which access was not given is not asked", async () => {
  Object.assign(fakeBrowser.permissions, { contains: async () => false });
  await open({ server: "https://assay.example" });
  expect(byId("server").textContent).toContain("may not connect to assay.example");
  expect(fetched).not.toHaveBeenCalled();
  expect(byId<HTMLAnchorElement>("console").href).toBe("https://assay.example/");
});

test("pages of the server itself are told apart", async () => {
  await open();
  const own = report({}, { host: "127.0.0.1", origin: "http://127.0.0.1:8750" });
  port.answer({ frame: "top", report: own });
  expect(byId("no-page").textContent).toContain("page of your Assay server");
  expect(isShown("site")).toBe(false);
});

test("a page that was open before the installation gets the content script", async () => {
  await saveSettings({});
  await new Popup(document).start();
  const second = makePort();
  connect.mockReturnValue(second);
  port.disconnect();
  await vi.waitFor(() => expect(connect).toHaveBeenCalledTimes(2));
  expect(executeScript).toHaveBeenCalledExactlyOnceWith({
    target: { tabId: 7, allFrames: true },
    files: ["/content-scripts/content.js"],
  });
  second.answer({ frame: "top", report: report({ ai: 2 }) });
  expect(counts()).toEqual(["2Likely AI"]);
});

test("on the browser's own pages it is said that Assay cannot run there", async () => {
  await saveSettings({});
  executeScript.mockRejectedValue(new Error("Cannot access a chrome:// URL"));
  await new Popup(document).start();
  port.disconnect();
  await vi.waitFor(() => expect(byId("no-page").textContent).toContain("cannot run on this page"));
  expect(isShown("page")).toBe(false);
});

test("the history opens next to the page, or in a tab where the browser has no side panel", async () => {
  const openPanel = vi.fn().mockResolvedValue(undefined);
  const create = vi.fn();
  Object.assign(fakeBrowser, { sidePanel: { open: openPanel } });
  Object.assign(fakeBrowser.tabs, { create });
  await open();
  byId("history").click();
  expect(openPanel).toHaveBeenCalledExactlyOnceWith({ windowId: 5 });
  expect(create).not.toHaveBeenCalled();
  Object.assign(fakeBrowser, { sidePanel: undefined });
  byId("history").click();
  await vi.waitFor(() => expect(create).toHaveBeenCalledOnce());
  expect(create.mock.calls[0]![0]).toMatchObject({ url: expect.stringMatching(/sidepanel\.html$/) });
});
