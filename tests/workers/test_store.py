"""The store: what is remembered, for how long, and who works on what."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis

from models.errors import CheckError, ErrorCode
from models.verdict import ImageFacts, ItemError, Label, Verdict
from tests.conftest import until
from workers.leases import LEASE
from workers.store import (
    CheckRecord,
    Known,
    Store,
    WorkerRecord,
)

ADDRESS = "https://example.com/a.jpg"
SHA = "ab" * 32
DEAD = ItemError(code=ErrorCode.CONNECT_FAILURE, detail="no answer")


def a_verdict(sha256: str = SHA) -> Verdict:
    now = datetime.now(UTC)
    return Verdict(
        label=Label.AI,
        probability=0.93,
        members={"cnn": 0.9},
        image=ImageFacts(sha256=sha256, width=640, height=480, format="jpeg", frames=1),
        model_version="test-1",
        checked_at=now,
        expires_at=now + timedelta(hours=1),
        cached=True,
    )


def remember(store: Store, address: str = ADDRESS, sha256: str = SHA) -> Known:
    verdict = a_verdict(sha256)
    known = Known(at=time.time(), verdict=verdict, etag='"1"')
    store.save_verdict(verdict)
    store.finish(address, known)
    return known


def fail(store: Store, address: str = ADDRESS) -> Known:
    known = Known(at=time.time(), error=DEAD)
    store.finish(address, known)
    return known


def test_nothing_is_known_of_an_address_nobody_asked_for(store: Store) -> None:
    assert store.lookup([ADDRESS]) == [None]
    assert store.lookup([]) == []


def test_what_was_found_at_an_address_is_known(store: Store) -> None:
    found = remember(store)
    assert store.lookup([ADDRESS]) == [found]
    assert found.verdict is not None
    assert store.verdict(SHA) is not None


def test_answers_come_in_the_order_of_the_question(store: Store) -> None:
    remember(store, "https://example.com/2", "cd" * 32)
    fail(store, "https://example.com/3")
    first, second, third, again = store.lookup(
        [
            "https://example.com/1",
            "https://example.com/2",
            "https://example.com/3",
            "https://example.com/2",
        ]
    )
    assert first is None
    assert second == again
    assert second is not None
    assert second.verdict is not None
    assert second.verdict.image.sha256 == "cd" * 32
    assert third is not None
    assert third.error == DEAD


def test_another_model_version_sees_no_verdict_of_this_one(store: Store, redis: Redis) -> None:
    remember(store)
    newer = Store(redis, model_version="test-2", verdict_ttl=3600, failure_ttl=300)
    assert newer.lookup([ADDRESS]) == [None]
    assert newer.verdict(SHA) is None
    assert store.verdict(SHA) is not None


def test_the_newest_is_known_be_it_a_verdict_or_a_failure(store: Store) -> None:
    remember(store)
    failure = fail(store)
    assert store.lookup([ADDRESS]) == [failure]
    found = remember(store)
    assert store.lookup([ADDRESS]) == [found]


def test_a_failure_is_forgotten_sooner_than_a_verdict(store: Store, redis: Redis) -> None:
    fail(store)
    (key,) = redis.scan_iter()
    assert 0 < redis.ttl(key) <= 300
    remember(store)
    assert redis.ttl(key) > 300


def test_everything_expires(store: Store, redis: Redis) -> None:
    remember(store)
    fail(store, "https://example.com/dead")
    store.claim(["https://example.com/b"])
    store.begin("https://example.com/c", "me")
    store.save_check("1" * 32, CheckRecord(urls=(ADDRESS,), created_at=0))
    with store.judging(SHA):
        assert all(redis.ttl(key) > 0 for key in list(redis.scan_iter()))
    assert len(list(redis.scan_iter())) == 7


def test_one_job_is_made_for_an_address_however_many_ask(store: Store) -> None:
    assert store.claim([ADDRESS, "https://example.com/b"]) == [ADDRESS, "https://example.com/b"]
    assert store.claim([ADDRESS, "https://example.com/c"]) == ["https://example.com/c"]


@pytest.mark.parametrize("end", ["finish", "fail", "wake", "release"])
def test_an_address_can_be_claimed_again_when_its_job_has_ended(store: Store, end: str) -> None:
    store.claim([ADDRESS])
    match end:
        case "finish":
            remember(store)
        case "fail":
            fail(store)
        case "wake":
            store.wake(ADDRESS)
        case "release":
            store.release([ADDRESS])
    assert store.claim([ADDRESS]) == [ADDRESS]


def test_a_running_job_is_not_taken_by_another_but_may_be_begun_again_by_its_owner(
    store: Store,
) -> None:
    store.claim([ADDRESS])
    assert store.begin(ADDRESS, "task-1")
    assert not store.begin(ADDRESS, "task-2")
    assert store.begin(ADDRESS, "task-1"), "a task that is delivered again keeps its id"
    store.put_back(ADDRESS)
    assert store.begin(ADDRESS, "task-2")


def test_a_scan_takes_an_address_only_if_nobody_works_on_it_or_waits_for_it(store: Store) -> None:
    queued, running, free = (f"https://example.com/{n}" for n in range(3))
    store.claim([queued])
    store.begin(running, "task-1")
    assert store.claim_running([queued, running, free], "turn-1") == [free]
    assert not store.begin(free, "task-1")


def test_only_one_judges_the_same_bytes_at_a_time(store: Store) -> None:
    with store.judging(SHA) as attempt:
        assert attempt is not None
        assert attempt.number == 1
        with store.judging(SHA) as other:
            assert other is None, "nobody is kept waiting"
        with store.judging("cd" * 32) as other:
            assert other is not None
    with store.judging(SHA) as attempt:
        assert attempt is not None
        assert attempt.number == 1


def test_who_judges_for_long_stays_the_only_one(store: Store, redis: Redis) -> None:
    with store.judging(SHA) as attempt:
        assert attempt is not None
        (key,) = redis.scan_iter("assay:judging:*")
        redis.expire(key, 2)
        threading.Thread(target=attempt.renew).start()
        until(lambda: redis.ttl(key) > LEASE - 5, "it is renewed")
        redis.set(key, "another's", ex=2)
        attempt.renew()
        assert redis.ttl(key) <= 2


def test_a_job_is_kept_by_its_owner_alone(store: Store, redis: Redis) -> None:
    store.begin(ADDRESS, "task-1")
    (key,) = redis.scan_iter("assay:flight:*")
    redis.expire(key, 2)
    store.renew(ADDRESS, "task-2")
    assert redis.ttl(key) <= 2
    store.renew(ADDRESS, "task-1")
    assert redis.ttl(key) > LEASE - 5
    redis.delete(key)
    store.renew(ADDRESS, "task-1")
    assert not redis.exists(key), "what is lost is lost"


def test_attempts_that_never_ended_are_counted_and_typed_errors_are_an_end(store: Store) -> None:
    for expected in (1, 2, 3):
        with pytest.raises(KeyboardInterrupt), store.judging(SHA) as attempt:
            assert attempt is not None
            assert attempt.number == expected
            raise KeyboardInterrupt  # as when the process is told to die
    with pytest.raises(CheckError), store.judging(SHA) as attempt:
        assert attempt is not None
        assert attempt.number == 4
        raise CheckError(ErrorCode.CORRUPT_IMAGE, "broken")
    with store.judging(SHA) as attempt:
        assert attempt is not None
        assert attempt.number == 1


@pytest.mark.parametrize("how", ["finish", "fail", "wake"])
def test_who_listens_hears_of_an_address_that_becomes_known(store: Store, how: str) -> None:
    other = "https://example.com/other"
    with store.listen([ADDRESS, other]) as listener:
        fail(store, "https://example.com/nobody-listens")
        if how == "finish":
            remember(store)
        elif how == "fail":
            fail(store)
        else:
            store.wake(ADDRESS)
        assert listener.next(time.monotonic() + 5) == ADDRESS
        assert listener.next(time.monotonic() + 0.05) is None


def test_workers_are_alive_until_they_leave_or_fall_silent(store: Store, redis: Redis) -> None:
    a = WorkerRecord(name="a", queues=("interactive", "bulk"), processes=2, model_version="v")
    b = WorkerRecord(name="b", queues=("interactive",), processes=1, model_version="v")
    store.worker_lives(a)
    store.worker_lives(b)
    assert store.live_workers() == [a, b]
    store.worker_left(a)
    redis.zadd("assay:workers", {b.model_dump_json(): time.time() - 60})
    assert store.live_workers() == []


def test_a_check_is_remembered_as_it_was_asked(store: Store) -> None:
    record = CheckRecord(urls=(ADDRESS,), created_at=1.5, force=True, referer="https://e.com/")
    store.save_check("1" * 32, record)
    assert store.check("1" * 32) == record
    assert store.check("2" * 32) is None
