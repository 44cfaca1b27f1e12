"""Hosts that are busy, pause or are down: work waits for them, and is woken."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from celery import Celery
from pytest_httpserver import HTTPServer
from redis import Redis

from models.errors import ErrorCode
from tests.conftest import QuickHTTPServer, hits, stores_of, until
from tests.pictures import drawing, encoded
from tests.workers.processing.conftest import Do
from tests.workers.processing.jobs import answers_later, host_of, job, leads_to, queued, trickle
from workers.fetching.host_limits import MOST_RETRIES, REQUESTS_PER_HOST, HostLimiter
from workers.scheduling.dispatch import Dispatcher
from workers.scheduling.wait_queues import WaitQueues, job_waiting
from workers.storage.scans import Scans
from workers.storage.stores import Stores


@pytest.mark.usefixtures("short_slot_timeout")
def test_a_job_that_finds_its_host_full_waits_in_its_queue_and_is_called(
    do: Do,
    stores: Stores,
    hosts: HostLimiter,
    redis: Redis,
    site: HTTPServer,
) -> None:
    end = threading.Event()
    slow = [trickle(site, f"/slow{n}.jpg", end, encoded(drawing(n))) for n in range(2)]
    do.jobs([job(url) for url in slow])
    site.expect_request("/a.jpg").respond_with_data(encoded(drawing(3)))
    url = site.url_for("/a.jpg")
    stores.claims.claim_queued([url])
    do.jobs([job(url)])
    assert hits(site, "/a.jpg") == 0
    assert queued(redis, "interactive") == 0
    assert stores.claims.claim_queued([url]) == [], "it waits still"
    assert hosts.waiting_hosts() == [host_of(site)]
    end.set()
    until(lambda: queued(redis, "interactive") > 0, "who left has called it")
    do([url])


def test_a_job_of_another_model_version_that_is_called_is_left_to_be_asked_for_again(
    redis: Redis, stores: Stores, hosts: HostLimiter, celery: Celery
) -> None:
    url, other = "http://example.com/a.jpg", stores_of(redis, "other").claims
    other.claim_queued([url])
    hosts.enqueue("example.com", job_waiting(job(url), "other"))
    WaitQueues(hosts, stores, celery, Dispatcher(stores, celery)).wake("example.com")
    assert hosts.next("example.com") == []
    assert queued(redis, "interactive") == 0
    assert other.claim_queued([url]) == [url]


@pytest.mark.usefixtures("short_slot_timeout")
def test_an_item_of_a_scan_that_finds_its_host_full_waits_in_its_queue_and_is_called(
    do: Do,
    scans: Scans,
    redis: Redis,
    site: HTTPServer,
) -> None:
    end = threading.Event()
    slow = [trickle(site, f"/slow{n}.jpg", end, encoded(drawing(n))) for n in range(2)]
    do.jobs([job(url) for url in slow])
    do.item(site.url_for("/a.jpg"), scans)
    assert scans.items.ready() == 0
    end.set()
    until(lambda: scans.items.ready() == 1, "who left has called it")
    until(lambda: queued(redis, "bulk") > 0, "and sent a turn for it")


@pytest.mark.usefixtures("short_slot_timeout")
def test_work_that_is_woken_while_it_is_being_parked_is_done_at_once(
    do: Do,
    stores: Stores,
    scans: Scans,
    hosts: HostLimiter,
    celery: Celery,
    site: HTTPServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host, url = host_of(site), site.url_for("/b.jpg")
    for number in range(REQUESTS_PER_HOST):
        assert hosts.acquire(host, str(number)) == "acquired"
    others = WaitQueues(hosts, stores, celery, Dispatcher(stores, celery))
    enqueue, begun = hosts.enqueue, []

    def enqueue_and_be_woken(host: str, work: str) -> None:
        enqueue(host, work)
        others._wake(work)  # another process; it removes the work from the queue much later
        begun.append(stores.claims.start(url, "another task"))

    monkeypatch.setattr(hosts, "enqueue", enqueue_and_be_woken)
    do.item(site.url_for("/a.jpg"), scans)
    assert scans.items.ready() == 1
    stores.claims.release([url])
    stores.claims.claim_queued([url])
    do.jobs([job(url)])
    assert begun == [True, True]


def test_a_host_that_asks_for_a_pause_gets_it_and_its_image_is_judged_afterwards(
    do: Do, stores: Stores, hosts: HostLimiter, site: HTTPServer
) -> None:
    url = answers_later(site, "/a.jpg", "1", times=1)
    stores.claims.claim_queued([url])
    do.jobs([job(url), job(site.url_for("/b.jpg"))])
    host = host_of(site)
    assert hosts.acquire(host, "me") == "paused"
    assert stores.cache.lookup([url]) == [None]
    until(lambda: bool(hosts.next(host)), "the pause is over")
    do([url])
    assert hits(site, "/a.jpg") == 2


@pytest.mark.parametrize("header", ["61", "Fri, 31 Dec 2999 23:59:59 GMT"])
def test_an_image_whose_host_asks_for_a_long_pause_is_given_up(
    do: Do, site: HTTPServer, header: str
) -> None:
    (known,) = do([answers_later(site, "/a.jpg", header, times=1)])
    assert known.error is not None
    assert known.error.code == ErrorCode.HTTP_STATUS
    assert "429" in known.error.detail


def test_an_image_whose_host_asks_for_a_pause_again_and_again_is_given_up(
    do: Do, stores: Stores, redis: Redis, site: HTTPServer
) -> None:
    url = answers_later(site, "/a.jpg", "0", times=100)
    stores.claims.claim_queued([url])
    for _ in range(MOST_RETRIES):
        do.jobs([job(url)])
        assert stores.cache.lookup([url]) == [None]
        redis.delete(f"assay:host:{{{host_of(site)}}}:pause")
    (known,) = do([url])
    assert known.error is not None
    assert hits(site, "/a.jpg") == MOST_RETRIES + 1


def test_a_dead_host_is_asked_a_few_times_and_its_other_addresses_fail_at_once(
    do: Do, free_port: int
) -> None:
    known = do([f"http://127.0.0.1:{free_port}/{n}.jpg" for n in range(20)])
    assert {each.error and each.error.code for each in known} == {ErrorCode.CONNECT_FAILURE}
    left_alone = [each for each in known if each.error and "left alone" in each.error.detail]
    assert len(left_alone) >= 10


@pytest.fixture
def beyond() -> Iterator[HTTPServer]:
    """A web site that others redirect to."""
    with QuickHTTPServer(host="127.0.0.1", threaded=True) as server:
        yield server


@pytest.mark.usefixtures("short_slot_timeout")
def test_a_redirect_to_a_host_that_is_full_waits_in_the_queue_of_that_host(
    do: Do, stores: Stores, hosts: HostLimiter, redis: Redis, site: HTTPServer, beyond: HTTPServer
) -> None:
    end = threading.Event()
    do.jobs([job(trickle(beyond, f"/slow{n}.jpg", end, encoded(drawing(n)))) for n in range(2)])
    beyond.expect_request("/a.jpg").respond_with_data(encoded(drawing(3)))
    url = leads_to(site, "/r", beyond.url_for("/a.jpg"))
    stores.claims.claim_queued([url])
    do.jobs([job(url)])
    assert hits(beyond, "/a.jpg") == 0
    assert hosts.waiting_hosts() == [host_of(beyond)]
    assert hosts.acquire(host_of(site), "me") == "acquired", "nobody holds a slot where it began"
    assert hosts.acquire(host_of(site), "you") == "acquired"
    end.set()
    until(lambda: queued(redis, "interactive") > 0, "who left has called it")
    for token in ("me", "you"):
        hosts.release(host_of(site), token, answered=True)
    (known,) = do([url])
    assert known.verdict is not None


def test_the_host_that_asks_for_a_pause_gets_it_and_not_the_one_that_led_there(
    do: Do, stores: Stores, hosts: HostLimiter, site: HTTPServer, beyond: HTTPServer
) -> None:
    url = leads_to(site, "/r", answers_later(beyond, "/a.jpg", "1", times=1))
    stores.claims.claim_queued([url])
    do.jobs([job(url)])
    assert hosts.acquire(host_of(beyond), "me") == "paused"
    assert hosts.acquire(host_of(site), "me") == "acquired"
    until(lambda: bool(hosts.next(host_of(beyond))), "the pause is over")
    (known,) = do([url])
    assert known.verdict is not None


def test_a_dead_host_is_to_blame_and_not_the_one_that_leads_to_it(
    do: Do, hosts: HostLimiter, site: HTTPServer, free_port: int
) -> None:
    dead = f"127.0.0.1:{free_port}"
    known = do([leads_to(site, f"/{n}", f"http://{dead}/{n}.jpg") for n in range(20)])
    assert {each.error and each.error.code for each in known} == {ErrorCode.CONNECT_FAILURE}
    assert hosts.acquire(dead, "me") == "down"
    assert hosts.acquire(host_of(site), "me") == "acquired"
