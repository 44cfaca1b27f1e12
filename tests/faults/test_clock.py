"""A clock that is set back: what was noted before must not hold up what comes after.

Scans, within which Redis' own clock counts, are in `tests.workers.storage.test_scans`.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from celery import Celery
from redis import Redis

from settings import Settings
from workers.celery_app import make_celery
from workers.fetching.host_limits import REQUESTS_PER_HOST, HostLimiter
from workers.scheduling.dispatch import Dispatcher
from workers.storage.scans.records import ScanItem
from workers.storage.stores import Stores
from workers.storage.worker_registry import WorkerRecord

DAY = 24 * 3600.0


@pytest.fixture
def set_back(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Set the clock that Python reads back by a day."""
    real = time.time
    return lambda: monkeypatch.setattr(time, "time", lambda: real() - DAY)


@pytest.fixture
def celery(valkey_url: str, redis: Redis) -> Celery:
    """Takes messages that nobody reads."""
    return make_celery(Settings(redis_url=valkey_url), redis)


def test_slots_of_a_host_that_a_killed_worker_held_are_free_again(
    redis: Redis, set_back: Callable[[], None]
) -> None:
    hosts = HostLimiter(redis)
    for token in range(REQUESTS_PER_HOST):
        assert hosts.acquire("example.com:80", str(token)) == "acquired"
    assert hosts.acquire("example.com:80", "one more") == "busy"
    set_back()
    assert hosts.acquire("example.com:80", "one more") == "acquired"


def test_dispatches_that_were_sent_before_are_replaced(
    redis: Redis, stores: Stores, celery: Celery, set_back: Callable[[], None]
) -> None:
    stores.scans.creator.create(
        "a" * 32, owner="", force=False, items=[ScanItem("https://example.com/a.jpg")]
    )
    dispatcher = Dispatcher(stores, celery)
    dispatcher.top_up()
    key = "assay:dispatch:test-1"
    (before,) = redis.zrange(key, 0, -1)
    set_back()
    dispatcher.top_up()
    (after,) = redis.zrange(key, 0, -1)
    assert after != before


def test_a_worker_that_vanished_before_does_not_count_as_alive(
    stores: Stores, set_back: Callable[[], None]
) -> None:
    gone = WorkerRecord(
        name="gone", queues=("interactive",), processes=1, model_version=stores.model_version
    )
    stores.workers.heartbeat(gone)
    assert stores.workers.live() == [gone]
    set_back()
    assert stores.workers.live() == []
    here = gone.model_copy(update={"name": "here"})
    stores.workers.heartbeat(here)
    assert stores.workers.live() == [here]
