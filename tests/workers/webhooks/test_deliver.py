"""When the end of a scan is delivered, and how often."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from redis import Redis

from tests.conftest import until
from tests.workers.storage.scan_data import failed, judged
from tests.workers.webhooks.delivering import (
    QUICK,
    SECRET,
    A,
    begin,
    delivering,
    delivery,
    due_in,
    end,
    make_due,
    settled,
)
from tests.workers.webhooks.receiver import Receiver
from workers.storage import keys
from workers.storage.scans import Scans
from workers.storage.scans.records import Delivery, ScanItem, Webhook
from workers.storage.scans.webhooks import LEASE, LONGEST_PAUSE
from workers.webhooks.deliver import Schedule
from workers.webhooks.message import message_id
from workers.webhooks.post import LIMITS

# A scan's end


@pytest.mark.usefixtures("delivers")
def test_a_scan_s_end_is_told_once_and_not_before(
    scans: Scans, redis: Redis, receive: Callable[..., Receiver]
) -> None:
    receiver = receive()
    begin(scans, receiver.url, items=3)
    works = scans.items.take(3)
    for work in works[:2]:
        scans.items.record(work, judged())
    assert delivery(scans) == Delivery()
    assert not redis.exists(keys.DUE_WEBHOOKS)
    scans.items.record(works[2], failed())
    assert settled(scans) == Delivery(status="delivered", attempts=1, last_status=204)
    until(lambda: not redis.exists(keys.DUE_WEBHOOKS), "it is never due again")
    (got,) = receiver.received
    said = got.verified(SECRET)
    assert said["type"] == "scan.done"
    assert said["data"]["id"] == A
    assert said["data"]["counts"] == {"total": 3, "done": 2, "failed": 1, "cancelled": 0}
    assert got.id == message_id(A)


@pytest.mark.usefixtures("delivers")
def test_a_cancelled_scan_s_end_is_told_when_what_was_under_way_has_ended(
    scans: Scans, redis: Redis, receive: Callable[..., Receiver]
) -> None:
    receiver = receive()
    begin(scans, receiver.url, items=3)
    (work,) = scans.items.take(1)
    scans.lifecycle.cancel(A)
    assert not redis.exists(keys.DUE_WEBHOOKS)
    scans.items.record(work, judged())
    assert settled(scans).status == "delivered"
    (said,) = receiver.messages()
    assert said["type"] == "scan.cancelled"
    assert said["data"]["counts"] == {"total": 3, "done": 1, "failed": 0, "cancelled": 2}


@pytest.mark.usefixtures("delivers")
def test_a_scan_that_had_ended_when_it_began_is_told_of(
    scans: Scans, receive: Callable[..., Receiver]
) -> None:
    receiver = receive()
    items = [ScanItem("no url")]
    scans.creator.create(
        A, owner="", force=False, items=items, webhook=Webhook(receiver.url, SECRET)
    )
    assert settled(scans).status == "delivered"
    assert len(receiver.received) == 1


def test_a_scan_without_a_webhook_says_nothing_of_one(scans: Scans, redis: Redis) -> None:
    summary = scans.creator.create(A, owner="", force=False, items=[ScanItem("no url")])
    assert summary.webhook is None
    assert not redis.exists(keys.DUE_WEBHOOKS)


def test_what_is_kept_of_a_webhook_goes_with_its_scan_and_not_before(
    scans: Scans, redis: Redis
) -> None:
    begin(scans, "http://127.0.0.1:1/")
    end(scans)
    assert redis.ttl(keys.scan(A, ":webhook")) == redis.ttl(keys.DUE_WEBHOOKS) == -1
    scans.lifecycle.delete(A)
    assert not redis.keys("*")


# Receivers that fail


@pytest.mark.usefixtures("delivers")
def test_a_receiver_that_fails_is_tried_again_with_the_same_message(
    scans: Scans, receive: Callable[..., Receiver]
) -> None:
    receiver = receive(500, 404, 302, 200)
    begin(scans, receiver.url)
    end(scans)
    assert settled(scans) == Delivery(status="delivered", attempts=4, last_status=200)
    assert len(receiver.received) == 4
    assert {got.id for got in receiver.received} == {message_id(A)}
    assert len({got.body for got in receiver.received}) == 1
    for got in receiver.received:
        got.verified(SECRET)


@pytest.mark.usefixtures("delivers")
def test_each_attempt_is_signed_anew(scans: Scans, receive: Callable[..., Receiver]) -> None:
    receiver = receive(500, 200)
    begin(scans, receiver.url)
    end(scans)
    settled(scans)
    first, second = (int(got.headers["webhook-timestamp"]) for got in receiver.received)
    assert time.time() - 60 < first <= second <= time.time()


@pytest.mark.usefixtures("delivers")
def test_the_attempts_are_bounded(scans: Scans, receive: Callable[..., Receiver]) -> None:
    receiver = receive(503)
    begin(scans, receiver.url)
    end(scans)
    most = len(QUICK.pauses) + 1
    assert settled(scans) == Delivery(status="failed", attempts=most, last_status=503)
    assert len(receiver.received) == most


@pytest.mark.usefixtures("delivers")
def test_410_ends_it_for_good(scans: Scans, receive: Callable[..., Receiver]) -> None:
    receiver = receive(500, 410, 200)
    begin(scans, receiver.url)
    end(scans)
    assert settled(scans) == Delivery(status="failed", attempts=2, last_status=410)
    assert len(receiver.received) == 2


@pytest.mark.usefixtures("delivers")
def test_a_redirect_leads_nowhere(scans: Scans, receive: Callable[..., Receiver]) -> None:
    private = receive()
    receiver = receive(307, headers={"Location": private.url})
    begin(scans, receiver.url)
    end(scans)
    assert settled(scans).status == "failed"
    assert delivery(scans).last_status == 307
    assert private.received == []


@pytest.mark.usefixtures("delivers")
@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://10.0.0.1/", "blocked_address"),
        ("http://8.8.8.8/", "bad_url"),
        ("http://127.0.0.1:{free_port}/", "connect_failure"),
    ],
)
def test_where_nothing_may_be_sent_the_error_is_told(
    scans: Scans, free_port: int, url: str, code: str
) -> None:
    """Refused here as well as when it is named: the operator's networks may have changed."""
    begin(scans, url.format(free_port=free_port))
    end(scans)
    assert settled(scans) == Delivery(status="failed", attempts=4, last_error=code)


def test_the_pauses_grow_over_hours_and_end() -> None:
    pauses = Schedule().pauses
    assert list(pauses) == sorted(pauses)
    assert 8 * 3600 < sum(pauses) < 3 * 24 * 3600
    assert max(pauses) * (1 + Schedule().spread) < LONGEST_PAUSE
    assert LIMITS.total < LEASE


def test_a_receiver_that_says_when_to_come_back_is_left_alone_until_then(
    scans: Scans, redis: Redis, receive: Callable[..., Receiver]
) -> None:
    receiver = receive(503, 200, headers={"Retry-After": "3000"})
    begin(scans, receiver.url)
    end(scans)
    with delivering(redis):
        until(lambda: delivery(scans).attempts == 1, "it was tried")
        until(lambda: due_in(redis) > 2000, "it is put off")
        assert due_in(redis) <= 3000
        make_due(redis)
        assert settled(scans).status == "delivered"
