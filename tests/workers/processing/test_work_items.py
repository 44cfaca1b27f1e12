"""Work items: what is begun, and what becomes of it."""

from __future__ import annotations

import time

from pytest_httpserver import HTTPServer
from redis import Redis

from tests.conftest import hits, until
from tests.pictures import drawing, encoded, photograph
from tests.workers.processing.conftest import Do
from tests.workers.processing.jobs import job
from workers.processing.work_items import begin_items
from workers.storage.scans import Scans
from workers.storage.scans.records import ScanItem
from workers.storage.stores import Stores


def test_a_task_that_is_delivered_twice_does_its_work_once(
    do: Do, stores: Stores, site: HTTPServer
) -> None:
    site.expect_request("/a.jpg").respond_with_data(encoded(photograph()))
    url = site.url_for("/a.jpg")
    do([url])
    with stores.claims.listen([url]) as listener:
        do.jobs([job(url)])
        assert listener.next(time.monotonic() + 5) == url, "who waits is told all the same"
    assert hits(site, "/a.jpg") == 1


def test_an_address_that_another_task_works_on_is_left_to_it(
    do: Do, stores: Stores, site: HTTPServer
) -> None:
    url = site.url_for("/a.jpg")
    assert stores.claims.start(url, "another task")
    do.jobs([job(url)])
    assert site.log == []
    assert stores.claims.claim_queued([url]) == []


def test_what_is_known_gives_items_their_results_without_a_fetch(
    do: Do, stores: Stores, scans: Scans, site: HTTPServer
) -> None:
    site.expect_request("/a.jpg").respond_with_data(encoded(drawing(1)))
    url = site.url_for("/a.jpg")
    do([url])
    scans.creator.create(
        "a" * 32, owner="", force=False, items=[ScanItem(url), ScanItem(url + "#x")]
    )
    assert begin_items(scans.items.take(2), "dispatch", stores) == ([], 2)
    assert [
        each.item.verdict and each.item.verdict.cached
        for each in scans.reader.results("a" * 32, count=2)
    ] == [True, True]
    assert hits(site, "/a.jpg") == 1
    assert stores.claims.claim_queued([url]) == [url]


def test_force_fetches_what_is_known_and_one_fetch_serves_all_duplicates(
    do: Do, stores: Stores, scans: Scans, site: HTTPServer
) -> None:
    site.expect_request("/a.jpg").respond_with_data(encoded(drawing(1)))
    url = site.url_for("/a.jpg")
    do([url])
    scans.creator.create("a" * 32, owner="", force=True, items=[ScanItem(url)] * 5)
    work, recorded = begin_items(scans.items.take(5), "dispatch", stores)
    assert recorded == 0
    do.runner.run(work)
    summary = scans.reader.summary("a" * 32)
    assert summary is not None
    assert (summary.status, summary.done) == ("done", 5)
    assert hits(site, "/a.jpg") == 2


def test_an_item_whose_address_another_job_has_is_put_off(stores: Stores, scans: Scans) -> None:
    url = "https://example.com/a.jpg"
    stores.claims.claim_queued([url])
    scans.creator.create("a" * 32, owner="", force=False, items=[ScanItem(url)])
    assert begin_items(scans.items.take(1), "dispatch", stores) == ([], 0)
    assert scans.items.ready() == 0
    until(lambda: scans.items.ready() == 1, "it comes again")


def test_what_a_full_redis_does_not_take_is_done_again_later(
    do: Do, stores: Stores, scans: Scans, redis: Redis, site: HTTPServer
) -> None:
    site.expect_request("/a.jpg").respond_with_data(encoded(drawing(1)))
    scans.creator.create("a" * 32, owner="", force=False, items=[ScanItem(site.url_for("/a.jpg"))])
    work, _ = begin_items(scans.items.take(1), "dispatch", stores)
    redis.config_set("maxmemory", "1")
    try:
        do.runner.run(work)
    finally:
        redis.config_set("maxmemory", "0")
    summary = scans.reader.summary("a" * 32)
    assert summary is not None
    assert summary.pending == 1
