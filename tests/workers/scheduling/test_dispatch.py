"""Dispatches: how many are sent for the work there is, and how lost ones are replaced."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any, cast

import pytest
from celery import Celery
from redis import Redis

from models.manifest import load_manifest
from settings import Settings
from tests.machines.redises import Node
from workers.celery_app import make_celery
from workers.scheduling.dispatch import (
    DISPATCH_TTL,
    DISPATCHES_PER_PROCESS,
    ITEMS_PER_DISPATCH,
    Dispatcher,
)
from workers.storage import keys
from workers.storage.claims import LEASE
from workers.storage.scans import Scans
from workers.storage.scans.records import ScanItem
from workers.storage.stores import Stores
from workers.storage.worker_registry import WorkerRecord

SCAN = "a" * 32
QUEUE = keys.broker_prefix(load_manifest().version_for(Settings().second_look)) + "bulk"
DISPATCHES = "assay:dispatch:test-1"


@pytest.fixture
def celery(valkey_url: str, redis: Redis) -> Celery:
    return make_celery(Settings(redis_url=valkey_url), redis)


@pytest.fixture
def dispatcher(celery: Celery, stores: Stores) -> Dispatcher:
    stores.workers.heartbeat(
        WorkerRecord(name="a", queues=("interactive", "bulk"), processes=3, model_version="test-1")
    )
    stores.workers.heartbeat(
        WorkerRecord(name="b", queues=("interactive",), processes=7, model_version="test-1")
    )
    return Dispatcher(stores, celery)


def work(scans: Scans, count: int) -> None:
    items = [ScanItem(f"https://example.com/{n}.jpg") for n in range(count)]
    scans.creator.create(SCAN, owner="", force=False, items=items)


def sent(redis: Redis) -> list[str]:
    """Return the ids in the messages that are queued, the oldest first."""
    messages: list[dict[str, Any]] = [
        json.loads(raw) for raw in cast(list[bytes], redis.lrange(QUEUE, 0, -1))
    ]
    return [json.loads(b64decode(message["body"]))[0][0] for message in reversed(messages)]


def pass_time(redis: Redis, seconds: float) -> None:
    for dispatch_id, deadline in redis.zrange(DISPATCHES, 0, -1, withscores=True):
        redis.zadd(DISPATCHES, {dispatch_id: float(deadline) - seconds})


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        pytest.param(0, 0, id="no work"),
        pytest.param(1, 1, id="little work"),
        pytest.param(2 * ITEMS_PER_DISPATCH + 1, 3, id="some work"),
        pytest.param(
            100 * ITEMS_PER_DISPATCH, 3 * DISPATCHES_PER_PROCESS, id="more than the workers can do"
        ),
    ],
)
def test_as_many_dispatches_are_sent_as_work_and_workers_call_for(
    dispatcher: Dispatcher, scans: Scans, redis: Redis, items: int, expected: int
) -> None:
    work(scans, items)
    for _ in range(2):
        dispatcher.top_up()
        assert len(sent(redis)) == expected


def test_a_dispatch_waits_for_the_first_worker_to_come(
    dispatcher: Dispatcher, scans: Scans, redis: Redis
) -> None:
    redis.delete("assay:workers")
    work(scans, 100 * ITEMS_PER_DISPATCH)
    dispatcher.top_up()
    assert len(sent(redis)) == 1


def test_a_dispatch_goes_on_while_there_is_work(
    dispatcher: Dispatcher, scans: Scans, redis: Redis
) -> None:
    work(scans, ITEMS_PER_DISPATCH + 1)
    dispatcher.top_up()
    dispatch_id, other = sent(redis)
    assert dispatcher.renew(dispatch_id)
    scans.items.take(ITEMS_PER_DISPATCH)
    dispatcher.finish(other, productive=False)
    dispatcher.finish(dispatch_id, productive=True)
    assert sent(redis) == [dispatch_id, other, dispatch_id]
    assert dispatcher.renew(dispatch_id)
    scans.items.take(ITEMS_PER_DISPATCH)
    dispatcher.finish(dispatch_id, productive=True)
    assert sent(redis) == [dispatch_id, other, dispatch_id]
    assert not dispatcher.renew(dispatch_id), "it is no longer registered"


def test_a_dispatch_that_could_do_nothing_does_not_try_again(
    dispatcher: Dispatcher, scans: Scans, redis: Redis
) -> None:
    work(scans, ITEMS_PER_DISPATCH)
    dispatcher.top_up()
    (dispatch_id,) = sent(redis)
    assert dispatcher.renew(dispatch_id)
    dispatcher.finish(dispatch_id, productive=False)
    assert sent(redis) == [dispatch_id]


def test_more_dispatches_than_are_wanted_become_fewer(
    dispatcher: Dispatcher, scans: Scans, redis: Redis
) -> None:
    work(scans, 3 * ITEMS_PER_DISPATCH)
    dispatcher.top_up()
    scans.items.take(2 * ITEMS_PER_DISPATCH)
    for dispatch_id in sent(redis):
        dispatcher.finish(dispatch_id, productive=True)
    assert redis.zcard(DISPATCHES) == 1


def test_a_dispatch_whose_message_was_lost_is_replaced(
    dispatcher: Dispatcher, scans: Scans, redis: Redis
) -> None:
    work(scans, 1)
    dispatcher.top_up()
    (lost,) = sent(redis)
    redis.delete(QUEUE)
    dispatcher.top_up()
    assert sent(redis) == [], "it may only be slow"
    pass_time(redis, DISPATCH_TTL + 1)
    dispatcher.top_up()
    (new,) = sent(redis)
    assert new != lost
    assert not dispatcher.renew(lost), "should it come after all, it does nothing"


def test_a_dispatch_that_runs_is_not_lost(
    dispatcher: Dispatcher, scans: Scans, redis: Redis
) -> None:
    work(scans, 1)
    dispatcher.top_up()
    (dispatch_id,) = sent(redis)
    pass_time(redis, DISPATCH_TTL - 1)
    assert dispatcher.renew(dispatch_id)
    for _ in range(3):
        pass_time(redis, LEASE - 1)
        dispatcher.top_up()
        assert sent(redis) == [dispatch_id]
        assert dispatcher.renew(dispatch_id)


def test_a_broker_that_is_away_costs_nothing_but_time(
    redis: Redis, stores: Stores, scans: Scans, dispatcher: Dispatcher, free_port: int
) -> None:
    gone = make_celery(Settings(redis_url=f"redis://127.0.0.1:{free_port}/0"), redis)
    work(scans, 1)
    Dispatcher(stores, gone).top_up()
    assert redis.zcard(DISPATCHES) == 0
    dispatcher.top_up()
    assert len(sent(redis)) == 1


def test_a_broker_that_is_full_costs_nothing_but_time(
    redis: Redis, stores: Stores, scans: Scans, tmp_path: Path
) -> None:
    broker = Node(tmp_path, "--maxmemory", "1mb")
    try:
        full = make_celery(Settings(redis_url=f"redis://127.0.0.1:{broker.port}/0"), redis)
        work(scans, 1)
        Dispatcher(stores, full).top_up()
    finally:
        broker.close()
    assert redis.zcard(DISPATCHES) == 0
