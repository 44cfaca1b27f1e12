"""The store: what is remembered, for how long, and who works on what."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis

from models.errors import CheckError, ErrorCode
from models.verdict import ImageFacts, ItemError, Label, Verdict
from tests.conftest import stores_of, until
from workers.storage.checks import CheckRecord
from workers.storage.claims import LEASE
from workers.storage.stores import Stores
from workers.storage.verdict_cache import CacheEntry
from workers.storage.worker_registry import WorkerRecord

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


def remember(stores: Stores, address: str = ADDRESS, sha256: str = SHA) -> CacheEntry:
    verdict = a_verdict(sha256)
    stores.cache.save_verdict(verdict)
    return stores.cache.save_entry(address, CacheEntry(at=time.time(), verdict=verdict, etag='"1"'))


def fail(stores: Stores, address: str = ADDRESS) -> CacheEntry:
    known = CacheEntry(at=time.time(), error=DEAD)
    stores.cache.save_entry(address, known)
    return known


def test_nothing_is_known_of_an_address_nobody_asked_for(stores: Stores) -> None:
    assert stores.cache.lookup([ADDRESS]) == [None]
    assert stores.cache.lookup([]) == []


def test_what_was_found_at_an_address_is_known(stores: Stores) -> None:
    found = remember(stores)
    assert stores.cache.lookup([ADDRESS]) == [found]
    assert found.verdict is not None
    assert stores.cache.verdict(SHA) is not None


def test_answers_come_in_the_order_of_the_question(stores: Stores) -> None:
    remember(stores, "https://example.com/2", "cd" * 32)
    fail(stores, "https://example.com/3")
    first, second, third, again = stores.cache.lookup(
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


def test_another_model_version_sees_no_verdict_of_this_one(stores: Stores, redis: Redis) -> None:
    remember(stores)
    newer = stores_of(redis, "test-2")
    assert newer.cache.lookup([ADDRESS]) == [None]
    assert newer.cache.verdict(SHA) is None
    assert stores.cache.verdict(SHA) is not None


def test_the_newest_is_known_be_it_a_verdict_or_a_failure(stores: Stores) -> None:
    remember(stores)
    failure = fail(stores)
    assert stores.cache.lookup([ADDRESS]) == [failure]
    found = remember(stores)
    assert stores.cache.lookup([ADDRESS]) == [found]


def test_a_verdict_that_is_found_again_says_when_it_now_expires(
    stores: Stores, redis: Redis
) -> None:
    past = a_verdict().model_copy(update={"expires_at": datetime.now(UTC) - timedelta(days=1)})
    stores.cache.save_verdict(past)
    told = stores.cache.save_entry(ADDRESS, CacheEntry(at=time.time(), verdict=past))
    (by_address,) = stores.cache.lookup([ADDRESS])
    assert by_address is not None
    for verdict in (told.verdict, by_address.verdict, stores.cache.verdict(SHA)):
        assert verdict is not None
        left = verdict.expires_at - datetime.now(UTC)
        assert timedelta(seconds=3500) < left <= timedelta(seconds=3600)
    assert all(3500 < redis.ttl(key) <= 3600 for key in redis.scan_iter())


def test_a_failure_is_forgotten_sooner_than_a_verdict(stores: Stores, redis: Redis) -> None:
    fail(stores)
    (key,) = redis.scan_iter()
    assert 0 < redis.ttl(key) <= 300
    remember(stores)
    assert redis.ttl(key) > 300


def test_everything_expires(stores: Stores, redis: Redis) -> None:
    remember(stores)
    fail(stores, "https://example.com/dead")
    stores.claims.claim_queued(["https://example.com/b"])
    stores.claims.start("https://example.com/c", "me")
    stores.checks.save("1" * 32, CheckRecord(urls=(ADDRESS,), created_at=0))
    with stores.image_locks.hold(SHA):
        assert all(redis.ttl(key) > 0 for key in list(redis.scan_iter()))
    assert len(list(redis.scan_iter())) == 7


def test_one_job_is_made_for_an_address_however_many_ask(stores: Stores) -> None:
    assert stores.claims.claim_queued([ADDRESS, "https://example.com/b"]) == [
        ADDRESS,
        "https://example.com/b",
    ]
    assert stores.claims.claim_queued([ADDRESS, "https://example.com/c"]) == [
        "https://example.com/c"
    ]


@pytest.mark.parametrize("end", ["finish", "fail", "wake", "release"])
def test_an_address_can_be_claimed_again_when_its_job_has_ended(stores: Stores, end: str) -> None:
    stores.claims.claim_queued([ADDRESS])
    match end:
        case "finish":
            remember(stores)
        case "fail":
            fail(stores)
        case "wake":
            stores.claims.end([ADDRESS])
        case "release":
            stores.claims.release([ADDRESS])
    assert stores.claims.claim_queued([ADDRESS]) == [ADDRESS]


def test_a_running_job_is_not_taken_by_another_but_may_be_begun_again_by_its_owner(
    stores: Stores,
) -> None:
    stores.claims.claim_queued([ADDRESS])
    assert stores.claims.start(ADDRESS, "task-1")
    assert not stores.claims.start(ADDRESS, "task-2")
    assert stores.claims.start(ADDRESS, "task-1"), "a task that is delivered again keeps its id"
    stores.claims.requeue(ADDRESS)
    assert stores.claims.start(ADDRESS, "task-2")


def test_a_scan_takes_an_address_only_if_nobody_works_on_it_or_waits_for_it(stores: Stores) -> None:
    queued, running, free = (f"https://example.com/{n}" for n in range(3))
    stores.claims.claim_queued([queued])
    stores.claims.start(running, "task-1")
    assert stores.claims.claim_running([queued, running, free], "turn-1") == [free]
    assert not stores.claims.start(free, "task-1")


def test_only_one_judges_the_same_bytes_at_a_time(stores: Stores) -> None:
    with stores.image_locks.hold(SHA) as attempt:
        assert attempt is not None
        assert attempt.number == 1
        with stores.image_locks.hold(SHA) as other:
            assert other is None, "nobody is kept waiting"
        with stores.image_locks.hold("cd" * 32) as other:
            assert other is not None
    with stores.image_locks.hold(SHA) as attempt:
        assert attempt is not None
        assert attempt.number == 1


def test_who_judges_for_long_stays_the_only_one(stores: Stores, redis: Redis) -> None:
    with stores.image_locks.hold(SHA) as attempt:
        assert attempt is not None
        (key,) = redis.scan_iter("assay:image-lock:*")
        redis.expire(key, 2)
        threading.Thread(target=attempt.renew).start()
        until(lambda: redis.ttl(key) > LEASE - 5, "it is renewed")
        redis.set(key, "another's", ex=2)
        attempt.renew()
        assert redis.ttl(key) <= 2


def test_a_job_is_kept_by_its_owner_alone(stores: Stores, redis: Redis) -> None:
    stores.claims.start(ADDRESS, "task-1")
    (key,) = redis.scan_iter("assay:claim:*")
    redis.expire(key, 2)
    stores.claims.renew(ADDRESS, "task-2")
    assert redis.ttl(key) <= 2
    stores.claims.renew(ADDRESS, "task-1")
    assert redis.ttl(key) > LEASE - 5
    redis.delete(key)
    stores.claims.renew(ADDRESS, "task-1")
    assert not redis.exists(key), "what is lost is lost"


def test_attempts_that_never_ended_are_counted_and_typed_errors_are_an_end(stores: Stores) -> None:
    for expected in (1, 2, 3):
        with pytest.raises(KeyboardInterrupt), stores.image_locks.hold(SHA) as attempt:
            assert attempt is not None
            assert attempt.number == expected
            raise KeyboardInterrupt  # as when the process is told to die
    with pytest.raises(CheckError), stores.image_locks.hold(SHA) as attempt:
        assert attempt is not None
        assert attempt.number == 4
        raise CheckError(ErrorCode.CORRUPT_IMAGE, "broken")
    with stores.image_locks.hold(SHA) as attempt:
        assert attempt is not None
        assert attempt.number == 1


@pytest.mark.parametrize("how", ["finish", "fail", "wake"])
def test_who_listens_hears_of_an_address_that_becomes_known(stores: Stores, how: str) -> None:
    other = "https://example.com/other"
    with stores.claims.listen([ADDRESS, other]) as listener:
        fail(stores, "https://example.com/nobody-listens")
        if how == "finish":
            remember(stores)
        elif how == "fail":
            fail(stores)
        else:
            stores.claims.end([ADDRESS])
        assert listener.next(time.monotonic() + 5) == ADDRESS
        assert listener.next(time.monotonic() + 0.05) is None


def test_workers_are_alive_until_they_leave_or_fall_silent(stores: Stores, redis: Redis) -> None:
    a = WorkerRecord(name="a", queues=("interactive", "bulk"), processes=2, model_version="v")
    b = WorkerRecord(name="b", queues=("interactive",), processes=1, model_version="v")
    stores.workers.heartbeat(a)
    stores.workers.heartbeat(b)
    assert stores.workers.live() == [a, b]
    stores.workers.remove(a)
    redis.zadd("assay:workers", {b.model_dump_json(): time.time() - 60})
    assert stores.workers.live() == []


def test_a_check_is_remembered_as_it_was_asked(stores: Stores) -> None:
    record = CheckRecord(urls=(ADDRESS,), created_at=1.5, force=True, referer="https://e.com/")
    stores.checks.save("1" * 32, record)
    assert stores.checks.get("1" * 32) == record
    assert stores.checks.get("2" * 32) is None
