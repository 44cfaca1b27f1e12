import { readFileSync } from "node:fs";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { fakeBrowser } from "wxt/testing";
import { OptionsForm } from "../lib/options";
import { DEFAULTS, loadSettings, saveSettings } from "../lib/settings";

const contains = vi.fn();
const request = vi.fn();
const fetched = vi.fn<(url: string, request: { headers: Headers }) => Promise<Response>>();

beforeEach(() => {
  vi.resetAllMocks();
  contains.mockResolvedValue(true);
  request.mockResolvedValue(true);
  fetched.mockImplementation(async () => Response.json({ status: "ready", model_version: "m1" }));
  vi.stubGlobal("fetch", fetched);
  Object.assign(fakeBrowser.permissions, { contains, request });
  const html = readFileSync("entrypoints/options/index.html", "utf8");
  document.body.innerHTML = /<main>.*<\/main>/s.exec(html)![0];
});

const byId = <Field extends HTMLElement>(id: string) => document.getElementById(id) as Field;
const textOf = (id: string) => byId(id).textContent;
const server = () => byId<HTMLInputElement>("server");

let stop = () => {};
afterEach(() => stop());

async function open(): Promise<OptionsForm> {
  const form = new OptionsForm(document);
  stop = await form.start();
  return form;
}

test("the page shows the settings and tries the connection at once", async () => {
  await saveSettings({ ...DEFAULTS, server: "http://localhost:1", mode: "chosen", sitesOff: ["a.example", "b"] });
  await open();
  expect(server().value).toBe("http://localhost:1");
  expect(byId<HTMLSelectElement>("mode").value).toBe("chosen");
  expect(byId<HTMLTextAreaElement>("sites-off").value).toBe("a.example\nb");
  expect(fetched.mock.calls[0]![0]).toBe("http://localhost:1/readyz");
  expect(textOf("connection")).toMatch(/^Connected\. Model m1 is ready and answered in \d+ ms\.$/);
  expect(byId("connection").dataset.ok).toBe("true");
});

test("the options for privacy are shown and saved", async () => {
  await saveSettings({ ...DEFAULTS, privateLookups: true, history: false });
  const form = await open();
  expect(byId<HTMLInputElement>("private").checked).toBe(true);
  expect(byId<HTMLInputElement>("history").checked).toBe(false);
  byId<HTMLInputElement>("private").checked = false;
  byId<HTMLInputElement>("history").checked = true;
  await form.save();
  expect(await loadSettings()).toMatchObject({ privateLookups: false, history: true });
});

test("the service worker is told that the server works, and only then", async () => {
  const told = vi.fn();
  fakeBrowser.runtime.onMessage.addListener(told);
  const form = await open();
  expect(told.mock.calls.map(([message]) => message)).toEqual([{ kind: "server-works" }]);
  fetched.mockResolvedValue(new Response("", { status: 503 }));
  await form.test();
  expect(told).toHaveBeenCalledOnce();
});

test("a server to which access was never given is not asked on its own", async () => {
  contains.mockResolvedValue(false);
  await open();
  expect(fetched).not.toHaveBeenCalled();
  expect(request).not.toHaveBeenCalled();
});

test("a server on this machine needs no further access", async () => {
  const form = await open();
  server().value = "http://127.0.0.1:9999/";
  await form.save();
  expect(request).not.toHaveBeenCalled();
  expect(await loadSettings()).toEqual({ ...DEFAULTS, server: "http://127.0.0.1:9999" });
  expect(textOf("saved")).toBe("Saved.");
});

test("any other server is asked only once the user has allowed it", async () => {
  const form = await open();
  server().value = "https://assay.example:8443/base";
  await form.save();
  expect(request).toHaveBeenCalledWith({ origins: ["https://assay.example/*"] });
  expect((await loadSettings()).server).toBe("https://assay.example:8443/base");
});

test("what the user does not allow is not saved, and said", async () => {
  request.mockResolvedValue(false);
  const form = await open();
  server().value = "https://assay.example";
  await form.save();
  expect(await loadSettings()).toEqual(DEFAULTS);
  expect(textOf("server-error")).toContain("did not allow access to assay.example");
});

test("an address without http:// is completed, and shown so", async () => {
  const form = await open();
  server().value = "localhost:9999";
  await form.save();
  expect((await loadSettings()).server).toBe("http://localhost:9999");
  expect(server().value).toBe("http://localhost:9999");
  server().value = "127.0.0.1:1";
  await form.test();
  expect(server().value).toBe("http://127.0.0.1:1");
});

/** Type into a field, as a user does. */
function type(id: string, value: string): void {
  byId<HTMLInputElement>(id).value = value;
  byId(id).dispatchEvent(new Event("input", { bubbles: true }));
}

test.each(["server", "key"])('"Connected" goes when the %s is edited', async (id) => {
  await open();
  expect(textOf("connection")).toContain("Connected");
  type(id, "x");
  expect(textOf("connection")).toBe("");
  expect(byId("connection").dataset.ok).not.toBe("true");
});

test('"Connected" does not come beside an address that was edited meanwhile', async () => {
  let answer = (_: Response) => {};
  fetched.mockReturnValueOnce(new Promise((resolve) => (answer = resolve)));
  const opening = open();
  await vi.waitFor(() => expect(fetched).toHaveBeenCalled());
  type("server", "http://localhost:2");
  answer(Response.json({ status: "ready", model_version: "m1" }));
  await opening;
  expect(textOf("connection")).toBe("");
});

test("a line that is no site is told, and nothing is saved", async () => {
  const form = await open();
  byId<HTMLTextAreaElement>("sites-off").value = "a.example\nexa mple";
  await form.save();
  expect(textOf("sites-off-error")).toContain("“exa mple” is not a site");
  expect(byId("sites-off").getAttribute("aria-invalid")).toBe("true");
  expect(textOf("saved")).toBe("");
  expect(await loadSettings()).toEqual(DEFAULTS);
  type("sites-off", "a.example\n*.x.y");
  expect(textOf("sites-off-error")).toBe("");
  await form.save();
  expect((await loadSettings()).sitesOff).toEqual(["a.example", "*.x.y"]);
  expect(byId<HTMLTextAreaElement>("sites-off").value).toBe("a.example\n*.x.y");
});

test("what is no address is not saved, and said beside the field", async () => {
  const form = await open();
  server().value = "not an address";
  await form.save();
  expect(await loadSettings()).toEqual(DEFAULTS);
  expect(textOf("server-error")).toContain("Not a valid address");
  expect(server().getAttribute("aria-invalid")).toBe("true");
});

test("an unencrypted server elsewhere is warned of", async () => {
  const form = await open();
  server().value = "http://assay.example";
  await form.test();
  expect(textOf("connection")).toContain("not encrypted");
});

test.each([
  ["nobody answers", () => Promise.reject(new TypeError()), "server not running"],
  ["a key is needed", async () => new Response("", { status: 401 }), "API key missing"],
  ["the extension is refused", async () => new Response("", { status: 403 }), "access denied by server"],
  ["it is not ready", async () => new Response("", { status: 503 }), "server not ready"],
  ["it is another server", async () => new Response("<html>"), "unexpected answer"],
])("the connection test says why when %s", async (_name, answer, said) => {
  const form = await open();
  fetched.mockImplementation(answer);
  await form.test();
  expect(textOf("connection")).toMatch(/^No connection: /);
  expect(textOf("connection")).toContain(said);
  expect(byId("connection").dataset.ok).toBe("false");
});

test("the server's API key is kept, without the spaces around it", async () => {
  const form = await open();
  byId<HTMLInputElement>("key").value = " assay_k ";
  await form.save();
  expect((await loadSettings()).key).toBe("assay_k");
  expect(fetched.mock.lastCall?.[1].headers.get("Authorization")).toBe("Bearer assay_k");
});

test("a key that is not accepted is not explained as a problem of origins", async () => {
  const form = await open();
  byId<HTMLInputElement>("key").value = "assay_k";
  fetched.mockResolvedValue(Response.json({ detail: "This API key is not valid." }, { status: 401 }));
  await form.test();
  expect(textOf("connection")).toContain("API key not accepted");
  expect(textOf("connection")).not.toMatch(/origin|Authorization/i);
});

test("reset brings the defaults back", async () => {
  await saveSettings({ ...DEFAULTS, server: "http://localhost:1", mode: "chosen", sitesOff: ["a.example"] });
  await fakeBrowser.storage.local.set({ language: { name: "de", texts: {} } });
  await open();
  byId("reset").click();
  await vi.waitFor(async () => expect(await loadSettings()).toEqual(DEFAULTS));
  expect(server().value).toBe(DEFAULTS.server);
  await vi.waitFor(async () => {
    expect(Object.keys(await fakeBrowser.storage.local.get(null))).not.toContain("language");
  });
});

test("another language keeps what was entered, and drops what was said about it before", async () => {
  const form = await open();
  server().value = "not an address";
  await form.save();
  expect(textOf("server-error")).not.toBe("");
  fetched.mockClear();
  await form.localise();
  expect(server().value).toBe("not an address");
  expect([textOf("server-error"), textOf("connection")]).toEqual(["", ""]);
  expect(fetched).not.toHaveBeenCalled();
});

test("how badges look, and what happens to flagged images, is saved", async () => {
  await saveSettings({ pausedUntil: 5 });
  const form = await open();
  byId<HTMLSelectElement>("mode").value = "chosen";
  byId<HTMLTextAreaElement>("sites-on").value = "a.example";
  byId("full-labels").click();
  byId<HTMLSelectElement>("corner").value = "bottom-end";
  byId<HTMLSelectElement>("size").value = "large";
  byId<HTMLSelectElement>("flagged").value = "blur";
  await form.save();
  expect(await loadSettings()).toEqual({
    ...DEFAULTS,
    mode: "chosen",
    sitesOn: ["a.example"],
    fullLabels: true,
    corner: "bottom-end",
    size: "large",
    flagged: "blur",
    pausedUntil: 5, // The popup's own setting.
  });
});

test.each([
  ["everywhere", ["off"]],
  ["chosen", ["on"]],
  ["manual", []],
])("the mode %s shows the lists of sites %j", async (mode, shown) => {
  await open();
  byId<HTMLSelectElement>("mode").value = mode;
  byId("mode").dispatchEvent(new Event("input", { bubbles: true }));
  expect(["off", "on"].filter((id) => !byId(id).hidden)).toEqual(shown);
});

// Changes elsewhere while the page is open, such as in the popup

test("what the popup changes meanwhile is shown, and not overwritten", async () => {
  const form = await open();
  byId<HTMLSelectElement>("corner").value = "bottom-end";
  await saveSettings({ mode: "chosen", sitesOn: ["a.example"], pausedUntil: 5 });
  await vi.waitFor(() => expect(byId<HTMLSelectElement>("mode").value).toBe("chosen"));
  expect(byId<HTMLTextAreaElement>("sites-on").value).toBe("a.example");
  expect(byId("on").hidden).toBe(false);
  expect(byId<HTMLSelectElement>("corner").value).toBe("bottom-end"); // What the user edited stays.
  await form.save();
  expect(await loadSettings()).toEqual({
    ...DEFAULTS,
    mode: "chosen",
    sitesOn: ["a.example"],
    corner: "bottom-end",
    pausedUntil: 5,
  });
});

test("a site that the popup switches off is added to a list that is being edited", async () => {
  await saveSettings({ sitesOff: ["old.example", "gone.example"] });
  const form = await open();
  const list = byId<HTMLTextAreaElement>("sites-off");
  type("sites-off", "old.example\ngone.example\nmine.example");
  await saveSettings({ sitesOff: ["old.example", "popup.example"] });
  await vi.waitFor(() => expect(list.value).toBe("old.example\nmine.example\npopup.example"));
  await form.save();
  expect((await loadSettings()).sitesOff).toEqual(["old.example", "mine.example", "popup.example"]);
});

test("only what was edited is written", async () => {
  const form = await open();
  const set = vi.spyOn(fakeBrowser.storage.local, "set");
  byId("full-labels").click();
  await form.save();
  expect(set.mock.calls).toEqual([[{ fullLabels: true }]]);
});

// The threshold of "Likely AI"

const samples = () => [...byId("samples").children].map(({ textContent }) => textContent);
const connected = (ai: number) => async () =>
  Response.json({ status: "ready", model_version: "m1", thresholds: { real: 0.24, ai } });

test("the preview has the server's labels, and changes with the chosen threshold", async () => {
  fetched.mockImplementation(connected(0.806));
  const form = await open();
  expect(samples()).toEqual([
    "5% No sign of AI",
    "30% Uncertain, leans not AI",
    "60% Uncertain, leans AI",
    "85% Likely AI",
    "92% Likely AI",
    "97% Likely AI",
    ">\u00a099% Likely AI",
  ]);
  const select = byId<HTMLSelectElement>("threshold");
  expect([...select.options].map(({ text }) => text)).toEqual([
    "From the server’s threshold on (81%)",
    "From 90% on",
    "From 95% on",
    "From 99% on",
  ]);
  type("threshold", "0.95");
  expect(samples().slice(3)).toEqual([
    "85% Uncertain, leans AI",
    "92% Uncertain, leans AI",
    "97% Likely AI",
    ">\u00a099% Likely AI",
  ]);
  await form.save();
  expect((await loadSettings()).ownThreshold).toBe(0.95);
});

test("a threshold that is not stricter than the server's cannot be chosen", async () => {
  fetched.mockImplementation(connected(0.92));
  await open();
  const { options } = byId<HTMLSelectElement>("threshold");
  expect([...options].map(({ disabled }) => disabled)).toEqual([false, true, false, false]);
});

test("without the server's thresholds there is no preview", async () => {
  await open();
  expect(samples()).toEqual([]);
  expect(textOf("samples-title")).toContain("when the server is connected");
});
