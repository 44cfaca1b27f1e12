/** The list page: a form for a new list, or the scan that the address names (`#scan=ID`). */

import { apiKey } from "./key.js";
import { call, json } from "./api.js";
import { count, moment, words } from "./words.js";
import { events } from "./events.js";
import { listBody } from "./lists.js";
import { make } from "./dom.js";
import { onFiles } from "./drop.js";
import { save } from "./save.js";
import { Table } from "./table.js";

const find = (selector) => document.querySelector(selector);
const images = find("main").dataset.images;
const table = new Table({ thumbnails: images === "on" });
let following = new AbortController();

/** Show what the address names. */
async function open() {
  following.abort();
  following = new AbortController();
  const [, id] = /^#scan=([0-9a-f]{32})$/.exec(location.hash) ?? [];
  find("#new").hidden = Boolean(id);
  find("#scan").hidden = !id;
  if (id) await follow(id, following.signal);
  else await listRecent();
}

async function createScan() {
  const text = find("#text").value;
  const [file] = find("#file").files;
  if (Boolean(file) === Boolean(text.trim())) {
    throw new Error("Either paste addresses or choose a file.");
  }
  const { body, type } = await listBody(file, text);
  const column = find("#column").value.trim();
  const kind = find("#are-pages").checked ? "pages" : "";
  const given = Object.entries({ column, kind }).filter(([, value]) => value);
  const query = given.length ? `?${new URLSearchParams(given)}` : "";
  const headers = { "Content-Type": type };
  const scan = await json(`/v1/scans${query}`, { method: "POST", headers, body });
  location.hash = `#scan=${scan.id}`;
}

/** Show a scan's progress and results until its end. */
async function follow(id, signal) {
  const path = `/v1/scans/${id}`;
  table.clear();
  find("#news").textContent = "";
  find("#csv").href = `${path}/results?format=csv`;
  find("#jsonl").href = `${path}/results?format=jsonl`;
  find("#report").href = `${path}/report`;
  find("#thumbnails").href = `?images=${images === "on" ? "off" : "on"}#scan=${id}`;
  find("#cancel").onclick = () => guarded("#scan-problem", () => call(path, { method: "DELETE" }));
  await guarded("#scan-problem", async () => {
    showProgress(await json(path, { signal }));
    for await (const { name, data } of events(`${path}/events`, signal)) {
      find("#scan-problem").textContent = name === "lost" ? "Connection lost. Trying again …" : "";
      if (name === "result") table.add(data);
      if (name === "progress" || name === "done") showProgress(data);
    }
  });
}

function showProgress({ status, counts, pages, labels, rate, eta, created_at }) {
  const { total, pending, failed, cancelled } = counts;
  const parts = [
    ...Object.entries(labels).map(([label, number]) => [words.states[label], number]),
    [words.states.unavailable, failed],
    ["Cancelled", cancelled],
  ];
  const unread = pages ? pages.found - pages.read : 0; // each is one of the total, until it is read
  const things = pages ? "results" : "images";
  const known = total - unread;
  find("#counts").textContent = known ? `${count(total - pending)} of ${count(known)} ${things}` : "No results yet";
  find("#progress").max = total;
  find("#progress").value = total - pending;
  find("#labels").replaceChildren(
    ...parts.filter(([, number]) => number).map(([name, number]) => make("li", {}, `${name}: ${count(number)}`)),
  );
  const left = unread ? "more to come" : `${duration(eta)} left`;
  const pace = rate ? `${rate.toFixed(1)} ${things} a second, ${left}` : "Starting …";
  const now = status === "cancelled" ? "Cancelling. Images that are being checked are finished." : pace;
  find("#pace").textContent = pending ? now : `Started on ${moment(created_at)}`;
  const read = pages && status !== "cancelled";
  find("#read").textContent = read ? `${count(pages.read)} of ${count(pages.found)} pages and site maps read` : "";
  find("#cancel").hidden = status !== "running";
  find("#report").hidden = Boolean(pending);
  if (!pending) find("#news").textContent = status === "cancelled" ? "Cancelled." : "Finished.";
}

function duration(seconds) {
  const minutes = Math.ceil(seconds / 60);
  return seconds < 90 ? `${Math.ceil(seconds)} s` : `${count(minutes)} min`;
}

async function listRecent() {
  const { scans } = await json("/v1/scans?limit=10").catch(() => ({ scans: [] }));
  const rows = scans.map(({ id, created_at, counts, pages, status }) => {
    const link = make("a", { href: `#scan=${id}` }, moment(created_at));
    const things = `${pages ? "result" : "image"}${counts.total === 1 ? "" : "s"}${pages ? " of pages" : ""}`;
    return make("li", {}, link, ` · ${count(counts.total)} ${things} · ${status}`);
  });
  find("#recent ul").replaceChildren(...rows);
  find("#recent").hidden = rows.length === 0;
}

/** Do something, and show in an element why it failed. */
async function guarded(place, act) {
  find(place).textContent = "";
  try {
    await act();
  } catch (error) {
    if (error.name !== "AbortError") find(place).textContent = error.message;
  }
}

/** A link cannot send an API key, so the file is fetched first. */
async function download(event) {
  if (!apiKey()) return;
  event.preventDefault();
  const link = event.currentTarget;
  await guarded("#scan-problem", async () => {
    const response = await call(link.href);
    const [, name] = /filename="(.+?)"/.exec(response.headers.get("Content-Disposition"));
    save(await response.blob(), name);
  });
}

find("#list").addEventListener("submit", (event) => {
  event.preventDefault();
  guarded("#problem", () => createScan());
});
onFiles((files) => {
  find("#file").files = files;
});
for (const link of [find("#csv"), find("#jsonl"), find("#report")]) link.addEventListener("click", download);
window.addEventListener("hashchange", () => {
  open();
  find("#scan h1").focus();
});
open();
