"""Measures what the extension costs a page, in a real Chromium: `python -m bench.page`.

Pages with images are opened while the server knows the images, some times, and then with images
that it has never seen. The extension's own cache is emptied before. The server is the whole of
`assay serve` on this machine, so the times of unseen images depend on the models and the cores.
The last page has 22,000 elements and few images.

The times of badges are counted in the page: from the load of an image to its badge (median), from
the first load to the first verdict, and from the last load to the last verdict. "script" is the
main-thread time of the content script until the last verdict, and "at rest" that of each second
after it, without the thumbnails for the history, which are drawn in idle time. `bench.main_thread`
says how it is measured. "lag" is the time from a new verdict to its badge: what the store, the API
and the extension add to the models' time. Needs Chromium and the built extension
(`make extension`).
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import groupby
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Playwright, Worker, sync_playwright
from redis import Redis

from backend.supervisor import Supervisor
from bench.bulk_scan import make_images, web_server
from bench.cached_lookups import fill
from bench.main_thread import record
from models.manifest import load_manifest
from tests.conftest import settings_at
from tests.e2e.browser import EXTENSION, chromium, service_worker, use_server
from workers.storage.stores import Stores

SCRIPT = "content-scripts/content.js"
THUMBNAIL = "thumbnailOf"
"""The function that draws a thumbnail for the history."""
VIEW = {"width": 1600, "height": 1200}
ELEMENTS = 22_000
FEW = 5
"""Number of images on the page with many elements."""
REST = 3000
"""Milliseconds for which a page with all verdicts is watched."""

STYLE = "<style>body{display:flex;flex-wrap:wrap;gap:4px}img{width:100px;height:100px}</style>"

WATCH = """
const times = { loaded: {}, checking: {}, judged: {} };
document.addEventListener("load", ({ target }) => {
  if (target instanceof HTMLImageElement) times.loaded[target.alt] = performance.now();
}, true);
const note = (button) => {
  if (!button.matches?.(".badge.placed")) return;
  const alt = /“(.*)”/.exec(button.getAttribute("aria-label"))?.[1];
  times.checking[alt] ??= performance.now();
  if (button.dataset.state !== "checking") times.judged[alt] ??= performance.now();
};
const changes = new MutationObserver((records) => {
  for (const { target } of records) note(target);
});
new MutationObserver((_, self) => {
  const host = document.querySelector("assay-overlay");
  if (!host) return;
  self.disconnect();
  const attributes = ["class", "data-state", "aria-label"];
  changes.observe(host.shadowRoot, { subtree: true, attributeFilter: attributes });
  host.shadowRoot.querySelectorAll(".badge").forEach(note);
}).observe(document, { childList: true, subtree: true });
window.assayTimes = times;
"""
"""Notes in the page when each image has loaded, and when its badge appears and has a verdict."""

COUNT = """
self.sent ??= [];
self.realFetch ??= self.fetch;
self.fetch = (address, options) => {
  const { pathname } = new URL(address);
  const method = options?.method ?? "GET";
  if (pathname.startsWith("/v1") || pathname === "/readyz") self.sent.push([method, pathname]);
  return self.realFetch(address, options);
};
self.sent.length = 0;
"""
"""Counts in the service worker what is sent to the server."""


@dataclass(frozen=True)
class Visit:
    """What a visit of a page cost. Times are milliseconds.

    Attributes:
        images: how many images have badges.
        known: whether the server knew the images.
        checking: the median time from an image's load to its badge.
        first: from the first image's load to the first verdict.
        last: from the last image's load to the last verdict.
        script: main-thread time of the content script until the last verdict.
        thumbnails: how much of that was for thumbnails.
        rest: main-thread time in each second after the last verdict, without thumbnails.
        lag: the median time from a verdict to its badge; 0 if the server knew the images.
        requests: how many requests of each kind were sent to the server.
    """

    images: int
    known: bool
    checking: float
    first: float
    last: float
    script: float
    thumbnails: float
    rest: float
    lag: float
    requests: dict[str, int]


def visit(context: BrowserContext, address: str, images: int, *, known: bool) -> Visit:
    """Open a page, wait for all verdicts, and watch it for a moment."""
    worker = service_worker(context)
    worker.evaluate("chrome.storage.session.clear()")
    worker.evaluate(COUNT)
    page = context.new_page()
    page.goto(f"{address.rpartition('/')[0]}/0.html")  # so that the profile is of one process
    page.add_init_script(WATCH)
    with record(page) as busy:
        page.goto(address)
        page.wait_for_function(
            "count => Object.keys(assayTimes.judged).length === count", arg=images, timeout=300_000
        )
    times = page.evaluate("assayTimes")
    with record(page) as rest:
        page.wait_for_timeout(REST)
    requests = Counter(_kind(*each) for each in worker.evaluate("self.sent"))
    shown = {
        alt: page.evaluate("performance.timeOrigin") + at for alt, at in times["judged"].items()
    }
    lags = [shown[alt] - at for alt, at in judged_at(worker).items()]
    page.close()
    loaded = times["loaded"]
    return Visit(
        images,
        known,
        checking=statistics.median(
            max(0.0, at - loaded[alt]) for alt, at in times["checking"].items()
        ),
        first=min(times["judged"].values()) - min(loaded.values()),
        last=max(times["judged"].values()) - max(loaded.values()),
        script=busy.milliseconds(SCRIPT),
        thumbnails=busy.functions(SCRIPT)[THUMBNAIL],
        rest=(rest.milliseconds(SCRIPT) - rest.functions(SCRIPT)[THUMBNAIL]) / REST * 1000,
        lag=0.0 if known else statistics.median(lags),
        requests=dict(requests),
    )


def judged_at(worker: Worker) -> dict[str, float]:
    """Return when the images in the extension's cache were judged (Unix ms), by their alt texts."""
    stored = worker.evaluate("chrome.storage.session.get(null)")
    return {
        Path(urlsplit(key).path).stem: 1000
        * datetime.fromisoformat(entry["outcome"]["verdict"]["checked_at"]).timestamp()
        for key, entry in stored.items()
        if key.startswith("outcome:") and "verdict" in entry["outcome"]
    }


def _kind(method: str, path: str) -> str:
    parts = path.strip("/").split("/")
    return f"{method} /{'/'.join(parts[:2])}{'/…' if len(parts) > 2 else ''}"


@contextmanager
def pages(sizes: Sequence[int]) -> Iterator[list[tuple[str, list[str]]]]:
    """Serve pages with these numbers of images. Yield their addresses and those of the images.

    The last page is the one with many elements.
    """
    files = make_images(sum(sizes))
    names = iter(range(1, len(files) + 1))
    shown = [[f"/{next(names)}.jpg" for _ in range(size)] for size in sizes]
    documents = [
        f"<!doctype html><link rel=icon href=data:,>{STYLE}"
        + "".join(f"<img alt={each[1:-4]} src={each}>" for each in images)
        for images in shown
    ]
    documents[-1] += "<p><b>Some <i>text</i></b></p>" * (ELEMENTS // 3)
    # The query tells a new image from a known one, for the server.
    new = [document.replace(".jpg", ".jpg?new") for document in documents]
    with web_server(
        [
            b"<!doctype html><link rel=icon href=data:,>",
            *files,
            *(each.encode() for each in (*documents, *new)),
        ]
    ) as site:
        yield [
            (f"{site}/{1 + len(files) + place}.html", [site + each for each in images])
            for place, images in enumerate([*shown, *shown])
        ]


def measure(playwright: Playwright, sizes: Sequence[int], runs: int, new: bool) -> list[Visit]:
    """Visit each page often enough when its images are known, and then once when they are new."""
    with (
        tempfile.TemporaryDirectory() as folder,
        pages([*sizes, FEW]) as served,
        Supervisor(settings_at(Path(folder, "data"))) as stack,
        Redis.from_url(str(stack.settings.redis_url)) as redis,
        chromium(playwright, Path(folder, "profile"), viewport=VIEW) as context,
    ):
        use_server(context, stack.url)
        known, unseen = served[: len(served) // 2], served[len(served) // 2 :]
        stores = Stores.open(stack.settings, load_manifest().version)
        fill(stores, redis, [image for _, images in known for image in images])
        visits = [
            visit(context, address, len(images), known=True)
            for address, images in known
            for _ in range(runs)
        ]
        if new:
            visits += [
                visit(context, address, len(images), known=False) for address, images in unseen
            ]
        return visits


def group(visits: Sequence[Visit]) -> list[list[Visit]]:
    """Put the visits of the same page in the same state together."""
    return [list(each) for _, each in groupby(visits, lambda one: (one.images, one.known))]


def typical(visits: Sequence[Visit]) -> Visit:
    """Return the medians of visits of one page. The requests are those of the last visit."""
    times = ("checking", "first", "last", "script", "thumbnails", "rest", "lag")
    medians = {
        name: round(statistics.median(getattr(each, name) for each in visits), 1) for name in times
    }
    return replace(visits[-1], **medians)


def script_bytes() -> dict[str, int]:
    """Return the bytes of the content script."""
    content = (EXTENSION / SCRIPT).read_bytes()
    return {"raw": len(content), "gzipped": len(gzip.compress(content))}


def print_table(rows: Sequence[Visit], sizes: dict[str, int]) -> None:
    """Print the medians as Markdown."""
    print(f"Content script: {sizes['raw']:,} bytes, {sizes['gzipped']:,} gzipped.\n")
    print(
        "| images | | badge | first verdict | last | lag | script | of it thumbnails | at rest "
        "| requests |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        sent = ", ".join(f"{count} × {kind}" for kind, count in row.requests.items())
        page = f"{row.images} of {ELEMENTS:,} elements" if row.images == FEW else str(row.images)
        print(
            f"| {page} | {'known' if row.known else 'unseen'} | {row.checking:.0f} ms "
            f"| {row.first:.0f} ms | {row.last:.0f} ms | {row.lag:.0f} ms | {row.script:.0f} ms "
            f"| {row.thumbnails:.0f} ms | {row.rest:.1f} ms/s | {sent} |"
        )


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, nargs="+", default=[50, 200], help="images per page")
    parser.add_argument("--runs", type=int, default=5, help="visits of each page that is known")
    parser.add_argument("--known", action="store_true", help="only known images, which is quick")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with sync_playwright() as playwright:
        visits = measure(playwright, options.images, options.runs, not options.known)
    rows = [typical(each) for each in group(visits)]
    sizes = script_bytes()
    if options.json:
        print(json.dumps({"script_bytes": sizes, "visits": [asdict(row) for row in rows]}))
    else:
        print_table(rows, sizes)


if __name__ == "__main__":
    main()
