import "fake-indexeddb/auto";
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { fakeBrowser } from "wxt/testing";
import { addEntry, clearEntries, type Entry, loadEntries } from "../lib/history";
import { HistoryPanel } from "../lib/panel";
import { DEFAULTS, saveSettings } from "../lib/settings";
import { unavailable } from "../lib/verdict";
import { classified } from "./examples";

const THUMBNAIL = "data:image/webp;base64,AAAA";
let stop: () => void;

beforeEach(async () => {
  await clearEntries();
  const html = readFileSync("entrypoints/sidepanel/index.html", "utf8");
  document.body.innerHTML = /<body>(.*)<script/s.exec(html)![1]!;
});

afterEach(() => stop());

const byId = <Found extends HTMLElement>(id: string) => document.getElementById(id) as Found;
const shown = () => [...document.querySelectorAll<HTMLElement>(".entry")];
const add = (url: string, more: Partial<Entry> = {}) =>
  addEntry({ url, page: "https://p.example/", time: 1, outcome: classified(), ...more });

async function open(count: number): Promise<void> {
  stop = new HistoryPanel(document).start();
  await vi.waitFor(() => expect(byId("count").textContent).not.toBe(""));
  expect(shown()).toHaveLength(count);
}

async function search(words: string): Promise<string[]> {
  byId<HTMLInputElement>("search").value = words;
  byId("search").dispatchEvent(new Event("input"));
  return shown().map((entry) => entry.querySelector("a")!.href);
}

test("an empty history says what comes here", async () => {
  await open(0);
  expect(byId("count").textContent).toContain("No checks yet.");
  expect(byId<HTMLButtonElement>("export").disabled).toBe(true);
  expect(byId<HTMLButtonElement>("clear").disabled).toBe(true);
});

test("an entry has verdict, image, page and time, and a picture only if there is one", async () => {
  await add("https://x.example/b%20c.jpg", { time: Date.UTC(2026, 10, 22, 12) });
  await add("https://x.example/a.jpg", { thumbnail: THUMBNAIL, time: 0 });
  await open(2);
  const [first, second] = shown() as [HTMLElement, HTMLElement];
  expect(first.querySelector(".verdict")!.textContent).toBe("Likely AI · 93%");
  expect(first.textContent).toContain("x.example/b c.jpg");
  expect(first.textContent).toContain("Nov 22, 2026");
  const links = [...first.querySelectorAll("a")].map(({ href }) => href);
  expect(links).toEqual(["https://x.example/b%20c.jpg", "https://p.example/"]);
  expect(first.querySelector(".picture img")).toBeNull();
  expect(second.querySelector<HTMLImageElement>(".picture img")!.src).toBe(THUMBNAIL);
});

test("a picture that an entry lacks is asked for once, where the image was shown", async () => {
  const toPage = vi.fn(async () => THUMBNAIL);
  Object.assign(fakeBrowser.tabs, { sendMessage: toPage });
  const url = "https://x.example/a.jpg";
  await add(url, { shownIn: { tab: 7, frame: 2 } });
  await add("https://x.example/gone.jpg");
  await open(2);
  await vi.waitFor(() => expect(document.querySelectorAll(".picture img")).toHaveLength(1));
  const message = { kind: "get-thumbnail", url, hasBadge: true };
  expect(toPage).toHaveBeenCalledExactlyOnceWith(7, message, { frameId: 2 });
  expect((await loadEntries()).map(({ thumbnail }) => thumbnail)).toContain(THUMBNAIL);
});

test("what is no address of the web is no link", async () => {
  await add(`sha256:${"ab".repeat(32)}`);
  await add("javascript:alert(1)", { page: "" });
  await open(2);
  expect(shown().flatMap((entry) => [...entry.querySelectorAll("a")])).toHaveLength(1);
  expect(shown().filter((entry) => entry.textContent.includes("Page"))).toHaveLength(1);
});

test("the search finds entries with all words, in verdict, image and page", async () => {
  await add("https://x.example/cat.jpg");
  await add("https://x.example/dog.jpg", { outcome: unavailable("corrupt_image") });
  await add("https://y.example/cat.jpg", { page: "https://shop.example/a" });
  await open(3);
  expect(await search("CAT x.ex")).toEqual(["https://x.example/cat.jpg"]);
  expect(await search("damaged")).toEqual(["https://x.example/dog.jpg"]);
  expect(await search("shop")).toEqual(["https://y.example/cat.jpg"]);
  expect(byId("count").textContent).toBe("1 of 3 images");
  expect(await search("horse")).toEqual([]);
  expect(byId("count").textContent).toBe("Nothing found.");
  expect(await search(" ")).toHaveLength(3);
});

test("an open panel shows what is added", async () => {
  await open(0);
  await add("https://x.example/a.jpg");
  await add("https://x.example/b.jpg");
  await vi.waitFor(() => expect(shown()).toHaveLength(2));
});

test("the history is cleared only after a question", async () => {
  await add("https://x.example/a.jpg");
  await open(1);
  const dialog = byId<HTMLDialogElement>("confirm");
  byId("clear").click();
  expect(dialog.open).toBe(true);
  dialog.close("");
  expect(await loadEntries()).toHaveLength(1);
  byId("clear").click();
  dialog.close("clear");
  await vi.waitFor(() => expect(byId("count").textContent).toContain("No checks yet."));
  expect(await loadEntries()).toEqual([]);
});

test("what the search found is exported", async () => {
  let saved: Blob | undefined;
  vi.spyOn(URL, "createObjectURL").mockImplementation((blob) => {
    saved = blob as Blob;
    return "blob:x";
  });
  await add("https://x.example/cat.jpg", { page: "=HYPERLINK(1)", time: Date.UTC(2026, 0, 2) });
  await add("https://x.example/dog.jpg", { outcome: unavailable("corrupt_image") });
  await open(2);
  await search("cat");
  byId("export").click();
  expect((await saved!.text()).split("\r\n")).toEqual([
    '\ufeff"checked","label","probability","failure","image","page","sha256","model_version"',
    `"2026-01-02T00:00:00.000Z","ai","0.93","","https://x.example/cat.jpg","'=HYPERLINK(1)","${"ab".repeat(32)}","test-1"`,
    "",
  ]);
});

test("a history that is turned off says so at once", async () => {
  await open(0);
  expect(byId("off").textContent).toBe("");
  await saveSettings({ ...DEFAULTS, history: false });
  await vi.waitFor(() => expect(byId("off").textContent).toContain("turned off"));
});

test("the own threshold applies at once to labels and to the search", async () => {
  await add("https://x.example/a.jpg");
  await open(1);
  await saveSettings({ ownThreshold: 0.95 });
  const verdict = () => shown()[0]!.querySelector(".verdict")!.textContent;
  await vi.waitFor(() => expect(verdict()).toBe("Uncertain, leans AI · 93%"));
  expect(shown()[0]!.dataset.state).toBe("uncertain");
  expect(await search("leans")).toHaveLength(1);
});
