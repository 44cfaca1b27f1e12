"""Receivers that hang, and workers and stores that die while they deliver."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis, RedisError

from tests.conftest import until
from tests.machines.redises import Node
from tests.workers.storage.scan_data import judged
from tests.workers.webhooks.delivering import (
    HASTY,
    LOOPBACK,
    QUICK,
    A,
    B,
    begin,
    delivering,
    delivery,
    due_in,
    end,
    make_due,
    settled,
)
from tests.workers.webhooks.receiver import Receiver
from workers.fetching.host_limits import REQUESTS_PER_HOST, HostLimiter
from workers.storage import keys
from workers.storage.scans import Scans
from workers.storage.scans.index import ScanIndex
from workers.storage.scans.records import Delivery
from workers.storage.scans.webhooks import LEASE, LONGEST_PAUSE
from workers.webhooks.deliver import AT_ONCE, Deliverer, Schedule
from workers.webhooks.message import message_id
from workers.webhooks.post import Poster

# Receivers that are slow


def test_one_that_hangs_keeps_nobody_else_from_being_told(
    scans: Scans, redis: Redis, receive: Callable[..., Receiver]
) -> None:
    stuck, quick = receive(), receive()
    stuck.hold.clear()
    many = [f"{n:032x}" for n in range(5 * AT_ONCE)]
    for scan_id in many:
        begin(scans, stuck.url, scan_id)
        end(scans, scan_id)
    begin(scans, quick.url)
    end(scans)
    with delivering(redis):
        assert settled(scans).status == "delivered"
        assert stuck.most_at_once <= REQUESTS_PER_HOST
        stuck.hold.set()
        for scan_id in many:
            assert settled(scans, scan_id).status == "delivered"
    assert stuck.most_at_once == REQUESTS_PER_HOST


def test_one_that_hangs_has_failed_in_time(
    scans: Scans, redis: Redis, receive: Callable[..., Receiver]
) -> None:
    receiver = receive()
    receiver.hold.clear()
    begin(scans, receiver.url)
    end(scans)
    with delivering(redis, limits=HASTY):
        assert settled(scans) == Delivery(status="failed", attempts=4, last_error="timeout")


def test_hosts_of_webhooks_take_no_place_of_hosts_of_images(
    scans: Scans, redis: Redis, receive: Callable[..., Receiver]
) -> None:
    receiver = receive()
    receiver.hold.clear()
    for scan_id in (A, B):
        begin(scans, receiver.url, scan_id)
        end(scans, scan_id)
    with delivering(redis):
        until(lambda: receiver.at_once == REQUESTS_PER_HOST, "both are under way")
        host = receiver.url.split("/")[2]
        assert HostLimiter(redis).acquire(host, "image") == "acquired"
        receiver.hold.set()
        settled(scans, A)
        settled(scans, B)


# What dies meanwhile


def test_several_workers_deliver_each_message_once(
    scans: Scans, redis: Redis, receive: Callable[..., Receiver]
) -> None:
    receiver = receive()
    many = [f"{n:032x}" for n in range(30)]
    with delivering(redis), delivering(redis), delivering(redis):
        for scan_id in many:
            begin(scans, receiver.url, scan_id)
            end(scans, scan_id)
        for scan_id in many:
            assert settled(scans, scan_id).status == "delivered"
    assert sorted(got.id for got in receiver.received) == [message_id(each) for each in many]


def test_a_worker_that_dies_after_it_claimed_is_replaced(
    scans: Scans, redis: Redis, receive: Callable[..., Receiver]
) -> None:
    receiver = receive()
    begin(scans, receiver.url)
    end(scans)
    assert scans.webhooks.claim(10) == [A], "by one that is killed now"
    assert scans.webhooks.claim(10) == []
    assert 0 < due_in(redis) <= LEASE
    make_due(redis)
    with delivering(redis):
        assert settled(scans).status == "delivered"
    assert len(receiver.received) == 1


def test_a_worker_that_dies_after_it_sent_sends_the_same_message_again(
    scans: Scans,
    redis: Redis,
    receive: Callable[..., Receiver],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    receiver = receive()
    begin(scans, receiver.url)
    end(scans)

    def dies(*_: object) -> None:
        raise RedisError

    dying = Deliverer(scans, HostLimiter(redis), Poster(LOOPBACK), QUICK)
    with monkeypatch.context() as patched:
        patched.setattr(scans.webhooks, "end", dies)
        dying.start()
        until(lambda: len(receiver.received) == 1, "it was sent")
        dying.close()
    assert delivery(scans).status == "pending"
    make_due(redis)
    with delivering(redis):
        assert settled(scans).attempts == 2
    assert len({(got.id, got.body) for got in receiver.received}) == 1


def test_dying_at_each_attempt_does_not_go_on_for_ever(
    scans: Scans, redis: Redis, receive: Callable[..., Receiver]
) -> None:
    receiver = receive()
    begin(scans, receiver.url)
    end(scans)
    for _ in range(len(QUICK.pauses) + 1):
        scans.webhooks.claim(1)
        scans.webhooks.begin(A)
        make_due(redis)
    with delivering(redis):
        assert settled(scans).status == "failed"
    assert receiver.received == []


def test_a_worker_that_dies_between_the_last_result_and_the_scan_s_end_loses_nothing(
    scans: Scans,
    redis: Redis,
    receive: Callable[..., Receiver],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    receiver = receive()
    begin(scans, receiver.url)

    def dies(*_: object) -> None:
        raise RedisError

    with monkeypatch.context() as patched:
        patched.setattr(ScanIndex, "ended", dies)
        (work,) = scans.items.take(1)
        with pytest.raises(RedisError):
            scans.items.record(work, judged())
    assert not redis.exists(keys.DUE_WEBHOOKS)
    scans.lifecycle.sweep()
    with delivering(redis):
        assert settled(scans).status == "delivered"


def test_sweeping_again_and_again_tells_nobody_twice(
    scans: Scans, redis: Redis, receive: Callable[..., Receiver]
) -> None:
    receiver = receive()
    begin(scans, receiver.url)
    end(scans)
    with delivering(redis):
        settled(scans)
        summary = scans.reader.summary(A)
        assert summary is not None
        for _ in range(5):
            ScanIndex(redis, scans.webhooks).ended(A, summary.expires_at or 0)
        until(lambda: not redis.exists(keys.DUE_WEBHOOKS), "nothing is due")
    assert len(receiver.received) == 1


def test_a_clock_that_was_set_back_holds_nothing_up(
    scans: Scans, redis: Redis, receive: Callable[..., Receiver]
) -> None:
    receiver = receive()
    begin(scans, receiver.url)
    end(scans)
    redis.zadd(keys.DUE_WEBHOOKS, {A: time.time() + LONGEST_PAUSE + 3600})
    with delivering(redis):
        assert settled(scans).status == "delivered"


def test_a_redis_that_restarts_forgets_no_delivery(
    tmp_path: Path, receive: Callable[..., Receiver]
) -> None:
    receiver = receive(500, 200)
    node = Node(tmp_path, "--appendonly", "yes", "--appendfsync", "always")
    try:
        scans = Scans(node.client, revalidate_after=3600)
        begin(scans, receiver.url)
        patient = Schedule(pauses=(3600,), look_every=0.01)
        with delivering(node.client, patient):
            end(scans)
            until(lambda: bool(receiver.received), "the first attempt")
            until(lambda: due_in(node.client) > LEASE + 1, "which has failed")
            node.kill()
            node.start()
            make_due(node.client)
            assert settled(scans) == Delivery(status="delivered", attempts=2, last_status=200)
    finally:
        node.close()
