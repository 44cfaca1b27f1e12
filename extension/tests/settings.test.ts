import { expect, test, vi } from "vitest";
import { fakeBrowser } from "wxt/testing";
import {
  badgesEnabled,
  DEFAULTS,
  hostPattern,
  isSiteOn,
  loadSettings,
  migrateSettings,
  normaliseServer,
  onSettings,
  readSites,
  saveSettings,
  type Settings,
  withSite,
} from "../lib/settings";

test.each([
  ["http://127.0.0.1:8750", "http://127.0.0.1:8750"],
  [" http://127.0.0.1:8750/ ", "http://127.0.0.1:8750"],
  ["HTTPS://Assay.Example", "https://assay.example"],
  ["https://assay.example:443/base/", "https://assay.example/base"],
  ["http://[::1]:8750/", "http://[::1]:8750"],
  ["127.0.0.1:8750", "http://127.0.0.1:8750"],
  ["localhost:8750/", "http://localhost:8750"],
  ["[::1]:8750", "http://[::1]:8750"],
  ["192.168.0.7", "http://192.168.0.7"],
  ["assay.example", "https://assay.example"],
  ["localhost.example:8750", "https://localhost.example:8750"],
])("the address %s is %s", (typed, server) => {
  expect(normaliseServer(typed)).toBe(server);
});

test.each([
  "",
  "exa mple",
  "assay.example/?a=b",
  "ftp://assay.example",
  "javascript:alert(1)",
  "http://",
  "https://user:pw@assay.example",
  "https://assay.example/?a=b",
  "https://assay.example/#top",
])("%j is no server's address", (typed) => {
  expect(normaliseServer(typed)).toBeUndefined();
});

test("a host that a browser has escaped is no host", () => {
  // Chrome's URL of "exa mple" has this host; that of Node.js is invalid.
  expect(normaliseServer("https://exa%20mple")).toBeUndefined();
  expect(normaliseServer("https://exa%2Ample")).toBeUndefined();
});

test("access is asked for a host, whatever the port", () => {
  expect(hostPattern("https://assay.example:8443/base")).toBe("https://assay.example/*");
});

test("sites are read one a line, and addresses cut down to hosts", () => {
  const typed = "example.com\n https://Other.example:8080/path \n\nexample.com\n*.wild.example\n[::1]\n";
  expect(readSites(typed)).toEqual({
    sites: ["example.com", "other.example", "*.wild.example", "[::1]"],
    invalid: [],
  });
});

test.each(["exa mple", "b ad%%", "a.example, b.example", "*", "a.*.example", "*.", "ftp://a"])(
  "the line %j is no site, and is reported",
  (line) => {
    expect(readSites(`a.example\n ${line}\n`)).toEqual({ sites: ["a.example"], invalid: [line] });
  },
);

test("what was saved is loaded, and those who listen are told", async () => {
  expect(await loadSettings()).toEqual(DEFAULTS);
  const told = vi.fn();
  const stop = onSettings(told);
  const settings = { ...DEFAULTS, server: "https://a.example", mode: "manual" as const, sitesOff: ["b.example"] };
  await saveSettings(settings);
  await vi.waitFor(() => expect(told).toHaveBeenCalledWith(settings));
  expect(await loadSettings()).toEqual(settings);
  stop();
  told.mockClear();
  await saveSettings(DEFAULTS);
  expect(told).not.toHaveBeenCalled();
});

test.each([
  [false, "manual"],
  [true, "everywhere"],
] as const)("badges that were %s by an older version are the mode %s", async (badges, mode) => {
  await fakeBrowser.storage.local.set({ badges, sitesOff: ["b.example"] });
  await migrateSettings();
  expect(await loadSettings()).toEqual({ ...DEFAULTS, mode, sitesOff: ["b.example"] });
  await saveSettings({ mode: "chosen" });
  await migrateSettings(); // The next update finds nothing to convert.
  expect((await loadSettings()).mode).toBe("chosen");
});

test.each(["everywhere", "chosen"] as const)("a site can be switched off and on: %s", (mode) => {
  const start: Settings = { ...DEFAULTS, mode, sitesOff: ["a.example"], sitesOn: ["b.example"] };
  const on = { ...start, ...withSite(start, "m.a.example", true) };
  expect(isSiteOn(on, "m.a.example")).toBe(true);
  const off = { ...start, ...withSite(start, "m.b.example", false) };
  expect(isSiteOn(off, "m.b.example")).toBe(false);
});

/** A page. A frame without an address of its own has the origin of another page. */
const page = (href: string, top?: string, origin = new URL(href).origin): Window => {
  const ancestorOrigins = top ? ["https://between.example", top] : [];
  return { origin, location: { origin: new URL(href).origin, ancestorOrigins } } as never;
};

test.each([
  ["any page", page("https://news.example/a"), {}, true],
  ["manual mode", page("https://news.example/a"), { mode: "manual" }, false],
  ["a pause", page("https://news.example/a"), { pausedUntil: Date.now() + 60_000 }, false],
  ["a pause that is over", page("https://news.example/a"), { pausedUntil: Date.now() - 1 }, true],
  ["a site that was not chosen", page("https://news.example/a"), { mode: "chosen" }, false],
  ["a chosen site", page("https://m.news.example/"), { mode: "chosen", sitesOn: ["news.example"] }, true],
  [
    "a chosen site that is also off elsewhere",
    page("https://news.example/"),
    { mode: "chosen", sitesOn: ["news.example"], sitesOff: ["news.example"] },
    true,
  ],
  [
    "a frame on a chosen site",
    page("https://ads.example/", "https://news.example"),
    { mode: "chosen", sitesOn: ["news.example"] },
    true,
  ],
  [
    "a frame of a chosen site elsewhere",
    page("https://news.example/", "https://other.example"),
    { mode: "chosen", sitesOn: ["news.example"] },
    false,
  ],
  [
    "a frame that a chosen site wrote",
    page("about:srcdoc", "", "https://news.example"),
    { mode: "chosen", sitesOn: ["news.example"] },
    true,
  ],
  ["a listed site", page("https://news.example/a"), { sitesOff: ["news.example"] }, false],
  ["its subdomain", page("https://m.news.example/"), { sitesOff: ["news.example"] }, false],
  ["a subdomain of *.site", page("https://m.news.example/"), { sitesOff: ["*.news.example"] }, false],
  ["the site of *.site", page("https://news.example/"), { sitesOff: ["*.news.example"] }, false],
  [
    "a name that only ends alike",
    page("https://badnews.example/"),
    { sitesOff: ["news.example"] },
    true,
  ],
  [
    "a frame on a listed site",
    page("https://ads.example/", "https://news.example"),
    { sitesOff: ["news.example"] },
    false,
  ],
  ["a frame that the page wrote", page("about:srcdoc", "", "https://news.example"), {}, true],
  [
    "a frame that a listed site wrote",
    page("about:srcdoc", "", "https://news.example"),
    { sitesOff: ["news.example"] },
    false,
  ],
  ["a frame without any origin", page("about:srcdoc", "https://news.example", "null"), {}, true],
  ["the server's own pages", page("http://127.0.0.1:8750/"), {}, false],
  ["another port of its host", page("http://127.0.0.1:9000/"), {}, true],
  ["a local file", page("file:///home/a.html"), {}, false],
  ["a frame of a local file", page("about:srcdoc", "file://", "null"), {}, false],
] as const)("badges on %s", (_name, window, change, wanted) => {
  expect(badgesEnabled({ ...DEFAULTS, ...(change as Partial<Settings>) }, window)).toBe(wanted);
});
