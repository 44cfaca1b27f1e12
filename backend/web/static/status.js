/** The live figures of the status page: those of /readyz and /metrics. */

import { call } from "./api.js";
import { count, share } from "./words.js";
import { samples, total } from "./metrics.js";

const EVERY = 5000;

const MISSING = {
  store: "the store",
  broker: "the queue",
  worker: "a worker",
  weights: "intact model files",
};

const find = (selector) => document.querySelector(selector);

async function showReadiness() {
  const response = await fetch("/readyz"); // 503 has the same body as 200
  const { status, missing, workers } = await response.json();
  const reason = missing.map((part) => MISSING[part] ?? part).join(", ");
  const words = { ready: "Ready", draining: "Stopping" };
  setText("#ready", words[status] ?? `Not ready: it lacks ${reason}`);
  setText("#workers", count(workers));
}

async function showMetrics() {
  const response = await call("/metrics");
  const all = samples(await response.text());
  for (const queue of ["interactive", "bulk"]) {
    setText(`#${queue}`, count(total(all, "assay_queue_depth", { queue })));
  }
  setText("#scans", count(total(all, "assay_scans_running")));
  const asked = total(all, "assay_cache_requests_total");
  const hits = total(all, "assay_cache_requests_total", { result: "hit" });
  setText("#hits", asked ? `${share(hits / asked)} of ${count(asked)}` : "–");
}

/** Set a text if it is another one, so that screen readers repeat nothing. */
function setText(selector, text) {
  const element = find(selector);
  if (element.textContent !== text) element.textContent = text;
}

async function refresh() {
  if (document.hidden) return;
  try {
    await showReadiness();
    await showMetrics();
    setText("#problem", "");
  } catch (error) {
    const isLost = error instanceof TypeError;
    setText("#problem", isLost ? "The server does not answer. Is it running?" : error.message);
  }
}

find("#live").hidden = false;
refresh();
setInterval(refresh, EVERY);
document.addEventListener("visibilitychange", refresh);
