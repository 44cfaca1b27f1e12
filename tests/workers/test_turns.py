"""Turns: how many there are for the work there is, and what becomes of lost ones."""

from __future__ import annotations

import json
import time
from base64 import b64decode
from pathlib import Path
from typing import Any, cast

import pytest
from celery import Celery
from redis import Redis

from settings import Settings
from tests.machines.redises import Node
from workers.app import make_celery, prefix
from workers.leases import LEASE
from workers.scans import ScanItem, ScanStore
from workers.store import Store, WorkerRecord
from workers.turns import TURN_ITEMS, TURN_TTL, TURNS_PER_PROCESS, Turns

SCAN = "a" * 32
QUEUE = f"{prefix(Settings())}bulk"
TURNS = "assay:turns:test-1"


@pytest.fixture
def scans(redis: Redis) -> ScanStore:
    return ScanStore(redis, revalidate_after=3600)


@pytest.fixture
def celery(valkey_url: str) -> Celery:
    return make_celery(Settings(redis_url=valkey_url))


@pytest.fixture
def turns(redis: Redis, celery: Celery, store: Store, scans: ScanStore) -> Turns:
    store.worker_lives(
        WorkerRecord(name="a", queues=("interactive", "bulk"), processes=3, model_version="test-1")
    )
    store.worker_lives(
        WorkerRecord(name="b", queues=("interactive",), processes=7, model_version="test-1")
    )
    return Turns(redis, celery, store, scans)


def work(scans: ScanStore, count: int) -> None:
    items = [ScanItem(f"https://example.com/{n}.jpg") for n in range(count)]
    scans.create(SCAN, owner="", force=False, items=items)


def sent(redis: Redis) -> list[str]:
    """Return the ids in the messages that are queued, the oldest first."""
    messages: list[dict[str, Any]] = [
        json.loads(raw) for raw in cast(list[bytes], redis.lrange(QUEUE, 0, -1))
    ]
    return [json.loads(b64decode(message["body"]))[0][0] for message in reversed(messages)]


def pass_time(redis: Redis, seconds: float) -> None:
    for turn_id, deadline in redis.zrange(TURNS, 0, -1, withscores=True):
        redis.zadd(TURNS, {turn_id: float(deadline) - seconds})


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        pytest.param(0, 0, id="no work"),
        pytest.param(1, 1, id="little work"),
        pytest.param(2 * TURN_ITEMS + 1, 3, id="some work"),
        pytest.param(100 * TURN_ITEMS, 3 * TURNS_PER_PROCESS, id="more than the workers can do"),
    ],
)
def test_there_are_as_many_turns_as_work_and_workers_are_worth(
    turns: Turns, scans: ScanStore, redis: Redis, items: int, expected: int
) -> None:
    work(scans, items)
    for _ in range(2):
        turns.top_up()
        assert len(sent(redis)) == expected


def test_a_turn_waits_for_the_first_worker_to_come(
    turns: Turns, scans: ScanStore, redis: Redis
) -> None:
    redis.delete("assay:workers")
    work(scans, 100 * TURN_ITEMS)
    turns.top_up()
    assert len(sent(redis)) == 1


def test_a_turn_goes_on_while_there_is_work(turns: Turns, scans: ScanStore, redis: Redis) -> None:
    work(scans, TURN_ITEMS + 1)
    turns.top_up()
    turn_id, other = sent(redis)
    assert turns.runs(turn_id)
    scans.take(TURN_ITEMS)
    turns.end(other, productive=False)
    turns.end(turn_id, productive=True)
    assert sent(redis) == [turn_id, other, turn_id]
    assert turns.runs(turn_id)
    scans.take(TURN_ITEMS)
    turns.end(turn_id, productive=True)
    assert sent(redis) == [turn_id, other, turn_id]
    assert not turns.runs(turn_id), "it is struck off"


def test_a_turn_that_could_do_nothing_does_not_try_again(
    turns: Turns, scans: ScanStore, redis: Redis
) -> None:
    work(scans, TURN_ITEMS)
    turns.top_up()
    (turn_id,) = sent(redis)
    assert turns.runs(turn_id)
    turns.end(turn_id, productive=False)
    assert sent(redis) == [turn_id]


def test_more_turns_than_are_wanted_become_fewer(
    turns: Turns, scans: ScanStore, redis: Redis
) -> None:
    work(scans, 3 * TURN_ITEMS)
    turns.top_up()
    scans.take(2 * TURN_ITEMS)
    for turn_id in sent(redis):
        turns.end(turn_id, productive=True)
    assert redis.zcard(TURNS) == 1


def test_a_turn_whose_message_was_lost_is_replaced(
    turns: Turns, scans: ScanStore, redis: Redis
) -> None:
    work(scans, 1)
    turns.top_up()
    (lost,) = sent(redis)
    redis.delete(QUEUE)
    turns.top_up()
    assert sent(redis) == [], "it may only be slow"
    pass_time(redis, TURN_TTL + 1)
    turns.top_up()
    (new,) = sent(redis)
    assert new != lost
    assert not turns.runs(lost), "should it come after all, it does nothing"


def test_a_turn_that_runs_is_not_lost(turns: Turns, scans: ScanStore, redis: Redis) -> None:
    work(scans, 1)
    turns.top_up()
    (turn_id,) = sent(redis)
    pass_time(redis, TURN_TTL - 1)
    assert turns.runs(turn_id)
    for _ in range(3):
        pass_time(redis, LEASE - 1)
        turns.top_up()
        assert sent(redis) == [turn_id]
        assert turns.runs(turn_id)


def test_a_broker_that_is_away_costs_nothing_but_time(
    redis: Redis, store: Store, scans: ScanStore, turns: Turns, free_port: int
) -> None:
    gone = make_celery(Settings(redis_url=f"redis://127.0.0.1:{free_port}/0"))
    work(scans, 1)
    started = time.monotonic()
    Turns(redis, gone, store, scans).top_up()
    assert time.monotonic() - started < 20
    assert redis.zcard(TURNS) == 0
    turns.top_up()
    assert len(sent(redis)) == 1


def test_a_broker_that_is_full_costs_nothing_but_time(
    redis: Redis, store: Store, scans: ScanStore, tmp_path: Path
) -> None:
    broker = Node(tmp_path, "--maxmemory", "1mb")
    try:
        full = make_celery(Settings(redis_url=f"redis://127.0.0.1:{broker.port}/0"))
        work(scans, 1)
        Turns(redis, full, store, scans).top_up()
    finally:
        broker.close()
    assert redis.zcard(TURNS) == 0
