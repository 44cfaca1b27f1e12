"""A real worker reads pages, site maps and robots.txt from a web site on loopback."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from pytest_httpserver import HTTPServer
from redis import Redis
from werkzeug import Request, Response

from models.manifest import load_manifest
from settings import Settings
from tests.conftest import hits, settings_at, until
from tests.machines.roles import kill
from tests.pictures import drawing, encoded
from tests.workers.running.worker import a_worker
from workers.storage import keys
from workers.storage.scans.records import Budget, ScanItem, ScanSummary
from workers.storage.stores import Stores

ROBOTS = "User-agent: *\nDisallow: /private/\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("worker")


@pytest.fixture(scope="module")
def settings(folder: Path, valkey_url: str) -> Settings:
    return settings_at(folder, redis_url=valkey_url, worker_processes=1, second_look="never")


@pytest.fixture(scope="module")
def stores(settings: Settings, valkey_url: str) -> Iterator[Stores]:
    """Stores for all tests here, whose scans and sites differ."""
    with Redis.from_url(valkey_url) as redis:
        redis.flushall()
        yield Stores(redis, settings, load_manifest().version_for(settings.second_look))


@pytest.fixture(scope="module")
def worker(settings: Settings, stores: Stores, folder: Path) -> Iterator[psutil.Process]:
    """One worker for all tests here, as its start takes long."""
    with a_worker(settings, stores, folder / "log") as process:
        yield process


def page(site: HTTPServer, path: str, body: str) -> str:
    site.expect_request(path).respond_with_data(body, content_type="text/html; charset=utf-8")
    return site.url_for(path)


def pictures(site: HTTPServer, robots: str = "") -> None:
    site.expect_request("/robots.txt").respond_with_data(robots)
    for number, path in enumerate(("/a.png", "/b.png", "/c.png", "/private/d.png")):
        site.expect_request(path).respond_with_data(encoded(drawing(number)), content_type="x/y")


def site_map(site: HTTPServer, *paths: str) -> str:
    urls = "".join(f"<url><loc>{site.url_for(path)}</loc></url>" for path in paths)
    xml = f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{urls}</urlset>'
    site.expect_request("/sitemap.xml").respond_with_data(xml, content_type="application/xml")
    return site.url_for("/sitemap.xml")


def scan(stores: Stores, *urls: str, budget: Budget | None = None) -> str:
    """Begin a scan of pages, and return its id."""
    items = [ScanItem(url, f"row {n}") for n, url in enumerate(urls)]
    made = stores.scans.creator.create(
        uuid.uuid4().hex, owner="", force=False, items=items, kind="pages", budget=budget
    )
    return made.id


def summary(stores: Stores, scan_id: str) -> ScanSummary:
    found = stores.scans.reader.summary(scan_id)
    assert found is not None
    return found


def outcomes(
    stores: Stores, site: HTTPServer, scan_id: str
) -> set[tuple[str, str, str | None, str]]:
    """Return path of the page, path of the image, place, and status or error of each line."""
    until(lambda: summary(stores, scan_id).finished_at is not None, "the scan has ended")
    root = site.url_for("").rstrip("/")
    return {
        (
            str(line.page).removeprefix(root),
            line.item.url.removeprefix(root),
            line.place,
            str(line.item.error.code) if line.item.error else line.item.status,
        )
        for line in stores.scans.reader.finished(scan_id, count=100)
    }


def test_the_images_of_a_site_map_are_judged_by_page(
    worker: psutil.Process, stores: Stores, site: HTTPServer
) -> None:
    assert worker.is_running()
    pictures(site, ROBOTS)
    page(site, "/1", '<img src="/a.png"><meta property="og:image" content="/a.png">')
    page(site, "/2", '<img src="/b.png"><img srcset="/c.png 800w, /a.png 1600w">')
    page(site, "/3", "<p>Only text.")
    page(site, "/4", '<img src="/private/d.png">')
    page(site, "/private/5", '<img src="/a.png">')
    made = scan(stores, site_map(site, "/1", "/2", "/3", "/4", "/private/5", "/1"))
    assert outcomes(stores, site, made) == {
        ("/1", "/a.png", "img 1, og:image", "done"),
        ("/2", "/b.png", "img 1", "done"),
        ("/2", "/a.png", "img 2", "done"),
        ("/3", "/3", None, "no_images"),
        ("/4", "/private/d.png", "img 1", "robots_disallowed"),
        ("/private/5", "/private/5", None, "robots_disallowed"),
    }
    found = summary(stores, made)
    assert (found.total, found.done, found.failed, found.pending) == (6, 3, 3, 0)
    assert (found.pages, found.pages_left) == (6, 0)
    assert {line.custom_id for line in stores.scans.reader.results(made, count=9)} == {"row 0"}
    assert hits(site, "/a.png") == 1, "an image of two pages is fetched once"
    assert hits(site, "/1") == 1
    assert hits(site, "/private/d.png") == hits(site, "/private/5") == 0
    private = site.url_for("/private/d.png")
    assert stores.cache.lookup([private]) == [None], "who names the image may still have it checked"


def test_what_is_no_page_leaves_a_line_that_says_so(
    worker: psutil.Process, stores: Stores, site: HTTPServer
) -> None:
    assert worker.is_running()
    pictures(site)
    made = scan(stores, site.url_for("/a.png"), site.url_for("/missing"), "ftp://example.com/")
    assert {outcome[3] for outcome in outcomes(stores, site, made)} == {
        "not_a_page",
        "http_status",
        "bad_url",
    }


def test_images_beyond_the_quota_are_left_out(
    worker: psutil.Process, stores: Stores, site: HTTPServer
) -> None:
    assert worker.is_running()
    pictures(site)
    page(site, "/1", '<img src="/a.png"><img src="/b.png">')
    made = scan(stores, site.url_for("/1"), budget=Budget("1/day", "someone"))
    assert outcomes(stores, site, made) == {("/1", "/1", None, "left_out")}
    assert hits(site, "/a.png") == 0


def test_a_page_is_read_by_the_next_worker_if_one_is_killed(
    worker: psutil.Process,
    settings: Settings,
    stores: Stores,
    site: HTTPServer,
    folder: Path,
    valkey_url: str,
) -> None:
    """The last test here: it kills the worker that all share."""
    pictures(site)
    asked, go_on = threading.Event(), threading.Event()

    def answer(_: Request) -> Response:
        asked.set()
        go_on.wait(20)
        return Response('<img src="/a.png">', content_type="text/html")

    site.expect_request("/slow").respond_with_handler(answer)
    page(site, "/1", '<img src="/a.png">')
    made = scan(stores, site.url_for("/1"), site.url_for("/slow"))
    until(asked.is_set, "the page is being fetched")
    until(lambda: summary(stores, made).done == 1, "the other one is done")
    kill(worker)
    go_on.set()
    with Redis.from_url(valkey_url) as redis:
        redis.delete(*redis.keys("assay:claim:*") or ["none"], *redis.keys("assay:dispatch:*"))
        redis.delete(*redis.keys("assay:tasks:*:unacked*") or ["none"])
        redis.delete(*redis.keys("assay:host:*") or ["none"])
        redis.zadd(keys.scan(made, ":todo"), {"-2": 0}, xx=True)  # as if its lease had ended
    with a_worker(settings, stores, folder / "next.log"):
        found = outcomes(stores, site, made)
    assert found == {
        ("/1", "/a.png", "img 1", "done"),
        ("/slow", "/a.png", "img 1", "done"),
    }
