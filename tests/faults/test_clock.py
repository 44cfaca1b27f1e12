"""A clock that is set back: what was noted before must not hold up what comes after.

Scans, within which Redis' own clock counts, are in `tests.workers.test_scans`.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from celery import Celery
from redis import Redis

from settings import Settings
from workers.app import make_celery
from workers.hosts import REQUESTS_PER_HOST, Hosts
from workers.scans import ScanItem, ScanStore
from workers.store import Store, WorkerRecord
from workers.turns import Turns

DAY = 24 * 3600.0


@pytest.fixture
def set_back(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Set the clock that Python reads back by a day."""
    real = time.time
    return lambda: monkeypatch.setattr(time, "time", lambda: real() - DAY)


@pytest.fixture
def celery(valkey_url: str) -> Celery:
    """Takes messages that nobody reads."""
    return make_celery(Settings(redis_url=valkey_url))


def test_places_at_a_host_that_a_killed_worker_held_are_free_again(
    redis: Redis, set_back: Callable[[], None]
) -> None:
    hosts = Hosts(redis)
    for visitor in range(REQUESTS_PER_HOST):
        assert hosts.enter("example.com:80", str(visitor)) == "entered"
    assert hosts.enter("example.com:80", "one more") == "busy"
    set_back()
    assert hosts.enter("example.com:80", "one more") == "entered"


def test_turns_that_were_sent_before_are_replaced(
    redis: Redis, store: Store, celery: Celery, set_back: Callable[[], None]
) -> None:
    scans = ScanStore(redis, revalidate_after=3600)
    scans.create("a" * 32, owner="", force=False, items=[ScanItem("https://example.com/a.jpg")])
    turns = Turns(redis, celery, store, scans)
    turns.top_up()
    key = "assay:turns:test-1"
    (before,) = redis.zrange(key, 0, -1)
    set_back()
    turns.top_up()
    (after,) = redis.zrange(key, 0, -1)
    assert after != before


def test_a_worker_that_vanished_before_does_not_count_as_alive(
    store: Store, set_back: Callable[[], None]
) -> None:
    gone = WorkerRecord(
        name="gone", queues=("interactive",), processes=1, model_version=store.model_version
    )
    store.worker_lives(gone)
    assert store.live_workers() == [gone]
    set_back()
    assert store.live_workers() == []
    here = gone.model_copy(update={"name": "here"})
    store.worker_lives(here)
    assert store.live_workers() == [here]
