"""Webhooks delivered by real workers, which are killed and stopped meanwhile."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from redis import Redis

from settings import Settings
from tests.conftest import until
from tests.machines.roles import kill, pictures
from tests.workers.running.worker import a_worker
from tests.workers.webhooks.delivering import (
    SECRET,
    A,
    B,
    begin,
    delivering,
    delivery,
    end,
    make_due,
    settled,
)
from tests.workers.webhooks.receiver import Receiver
from workers.storage.scans import Scans
from workers.storage.scans.records import ScanItem
from workers.storage.stores import Stores
from workers.webhooks.deliver import AT_ONCE

pytestmark = pytest.mark.slow


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().running() as running:
        yield running


def test_a_scan_that_ended_when_its_worker_was_killed_is_told_of_by_the_next(
    settings: Settings, stores: Stores, scans: Scans, receiver: Receiver, tmp_path: Path
) -> None:
    begin(scans, receiver.url, items=3)
    end(scans)  # by a worker that is gone now
    with a_worker(settings, stores, tmp_path / "worker.log", "--queue", "interactive"):
        assert settled(scans).attempts == 1
    (got,) = receiver.received
    assert got.verified(SECRET)["data"]["counts"]["done"] == 3


def test_a_worker_killed_while_it_delivers_costs_nothing(
    settings: Settings,
    stores: Stores,
    scans: Scans,
    redis: Redis,
    receiver: Receiver,
    tmp_path: Path,
) -> None:
    receiver.hold.clear()
    begin(scans, receiver.url)
    end(scans)
    log = tmp_path / "worker.log"
    with a_worker(settings, stores, log) as worker:
        until(lambda: bool(receiver.received), "the message is under way")
        kill(worker)
    receiver.hold.set()
    assert delivery(scans).status == "pending"
    make_due(redis)
    with a_worker(settings, stores, log):
        assert settled(scans).attempts == 2
    assert len(receiver.received) == 2
    assert len({(got.id, got.body) for got in receiver.received}) == 1


def test_a_worker_told_to_stop_finishes_what_it_delivers(
    settings: Settings, stores: Stores, scans: Scans, receiver: Receiver, tmp_path: Path
) -> None:
    receiver.hold.clear()
    begin(scans, receiver.url)
    end(scans)
    with a_worker(settings, stores, tmp_path / "worker.log") as worker:
        until(lambda: bool(receiver.received), "the message is under way")
        worker.send_signal(signal.SIGTERM)
        until(lambda: stores.workers.live() == [], "it is stopping")
        receiver.hold.set()
        worker.wait(60)
    assert (delivery(scans).status, delivery(scans).attempts) == ("delivered", 1)


def test_receivers_that_hang_hold_up_no_scan(
    settings: Settings, stores: Stores, scans: Scans, site: HTTPServer, tmp_path: Path
) -> None:
    """The worker has one process, and more webhooks to deliver than that delivers at once."""
    with ExitStack() as stack:
        receivers = [stack.enter_context(Receiver().running()) for _ in range(AT_ONCE + 2)]
        stuck = [f"{n:032x}" for n in range(len(receivers))]
        for scan_id, receiver in zip(stuck, receivers, strict=True):
            receiver.hold.clear()
            begin(scans, receiver.url, scan_id)
            end(scans, scan_id)
        stack.enter_context(a_worker(settings, stores, tmp_path / "worker.log"))
        until(lambda: sum(r.at_once for r in receivers) == AT_ONCE, "as many as can be are held")
        items = [ScanItem(url) for url in pictures(site, 2, delay=0)]
        scans.creator.create(B, owner="", force=False, items=items)
        until(lambda: _ended(scans), "the scan ends")
        assert all(delivery(scans, each).status == "pending" for each in stuck)
        assert scans.reader.summary(A) is None


def _ended(scans: Scans) -> bool:
    summary = scans.reader.summary(B)
    assert summary is not None
    return summary.done == summary.total


def test_a_redis_that_is_full_delays_a_delivery_and_breaks_nothing(
    scans: Scans, redis: Redis, receiver: Receiver
) -> None:
    begin(scans, receiver.url)
    end(scans)
    redis.config_resetstat()
    redis.config_set("maxmemory", 1)
    try:
        with delivering(redis):
            until(lambda: "errorstat_OOM" in redis.info("errorstats"), "a look was refused")
            assert receiver.received == []
            redis.config_set("maxmemory", 0)
            make_due(redis)
            assert settled(scans).status == "delivered"
    finally:
        redis.config_set("maxmemory", 0)
