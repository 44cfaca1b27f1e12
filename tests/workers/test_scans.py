"""Scans in Redis: who gets which item when, and what is kept of it for how long."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from ipaddress import ip_network
from typing import cast

import pytest
from redis import Redis

from models.errors import ErrorCode
from models.verdict import ItemError
from tests.workers.test_store import a_verdict
from workers.leases import LEASE
from workers.scans import Request, ScanItem, ScanStore, Work, store
from workers.scans.keys import SCAN_RESULTS_TTL, scan_key
from workers.scans.store import INTAKE_TTL
from workers.store import Known

A, B = "a" * 32, "b" * 32
OWNER = "key-1"
DEAD = ItemError(code=ErrorCode.CONNECT_FAILURE, detail="no answer")


@pytest.fixture
def scans(redis: Redis) -> ScanStore:
    return ScanStore(redis, revalidate_after=3600, allow_nets=[ip_network("127.0.0.0/8")])


def urls(count: int, host: str = "example.com") -> list[ScanItem]:
    return [ScanItem(f"https://{host}/{n}.jpg") for n in range(count)]


def make(scans: ScanStore, items: list[ScanItem], scan_id: str = A, force: bool = False) -> None:
    scans.create(scan_id, owner=OWNER, force=force, items=items)


def judged() -> Known:
    return Known(at=time.time(), verdict=a_verdict())


def failed() -> Known:
    return Known(at=time.time(), error=DEAD)


def pass_time(redis: Redis, scan_id: str, seconds: float) -> None:
    """Make all times of the scan's items, as they lie in Redis, so much older."""
    todo = scan_key(scan_id, ":todo")
    scores = cast(list[tuple[bytes, float]], redis.zrange(todo, 0, -1, withscores=True))
    for index, score in scores:
        if abs(score) > 1e9:  # a time, not a rank
            redis.zadd(todo, {index: score - seconds if score > 0 else score + seconds})


# What is asked for, and what is told of it


def test_a_scan_is_told_of_as_it_was_made(scans: ScanStore) -> None:
    before = time.time()
    made = scans.create(A, owner=OWNER, force=True, items=urls(3))
    assert made == scans.summary(A)
    assert made.model_dump(exclude={"created_at"}) == {
        "id": A,
        "owner": OWNER,
        "status": "running",
        "force": True,
        "finished_at": None,
        "expires_at": None,
        "total": 3,
        "done": 0,
        "failed": 0,
        "cancelled": 0,
        "labels": {},
    }
    assert before <= made.created_at <= time.time()
    assert made.pending == 3
    assert scans.summary(B) is None


def test_results_come_in_pages_in_the_order_of_the_scan(scans: ScanStore) -> None:
    make(scans, [ScanItem(f"https://example.com/{n}", f"row-{n}") for n in range(25)])
    works = scans.take(25)
    for work in reversed(works):
        scans.record(work, judged())
    first, second = scans.results(A, count=20), scans.results(A, start=20, count=20)
    assert [result.index for result in first + second] == list(range(25))
    assert [result.custom_id for result in second] == [f"row-{n}" for n in range(20, 25)]
    assert [result.item.url for result in second] == [
        f"https://example.com/{n}" for n in range(20, 25)
    ]
    assert {result.item.status for result in first + second} == {"done"}
    assert scans.results(A, start=25, count=20) == []


def test_finished_ones_come_in_the_order_in_which_they_finished(scans: ScanStore) -> None:
    make(scans, urls(5))
    works = {work.index: work for work in scans.take(5)}
    assert scans.finished(A, count=10) == []
    for index in (3, 0, 4):
        scans.record(works[index], judged())
    assert [result.index for result in scans.finished(A, count=10)] == [3, 0, 4]
    assert [result.index for result in scans.finished(A, start=1, count=1)] == [0]
    assert [result.item.status for result in scans.results(A, count=5)] == [
        *("done", "pending", "pending", "done", "done")
    ]


def test_a_result_is_what_the_worker_recorded(scans: ScanStore) -> None:
    make(scans, urls(2))
    first, second = scans.take(2)
    known = judged()
    scans.record(first, known)
    scans.record(second, failed())
    one, two = (result.item for result in scans.finished(A, count=2))
    assert known.verdict is not None
    assert one.verdict == known.verdict.model_copy(update={"cached": False})
    assert one.error is None
    assert (two.status, two.verdict, two.error) == ("failed", None, DEAD)


def test_a_verdict_from_before_the_scan_is_a_cached_one(scans: ScanStore) -> None:
    make(scans, urls(1))
    (work,) = scans.take(1)
    scans.record(work, Known(at=work.created_at - 10, verdict=a_verdict()))
    (result,) = scans.finished(A, count=1)
    assert result.item.verdict is not None
    assert result.item.verdict.cached


def test_a_scan_is_done_with_its_last_result(scans: ScanStore) -> None:
    make(scans, urls(3))
    works = scans.take(3)
    scans.record(works[0], judged())
    scans.record(works[1], failed())
    summary = scans.summary(A)
    assert summary is not None
    assert (summary.status, summary.done, summary.failed, summary.pending) == ("running", 1, 1, 1)
    scans.record(works[2], judged())
    summary = scans.summary(A)
    assert summary is not None
    assert (summary.status, summary.done, summary.failed, summary.pending) == ("done", 2, 1, 0)
    assert summary.labels == {"ai": 2}
    assert summary.finished_at is not None
    assert summary.finished_at == pytest.approx(time.time(), abs=60)
    assert summary.expires_at == pytest.approx(summary.finished_at + SCAN_RESULTS_TTL, abs=1)


def test_urls_that_can_never_be_fetched_have_failed_when_the_scan_begins(scans: ScanStore) -> None:
    make(scans, [ScanItem("ftp://e.com/"), *urls(1), ScanItem("http://10.0.0.1/", "ten")])
    assert [
        result.item.error and result.item.error.code for result in scans.results(A, count=3)
    ] == [
        ErrorCode.BAD_URL,
        None,
        ErrorCode.BLOCKED_ADDRESS,
    ]
    assert [result.custom_id for result in scans.finished(A, count=3)] == [None, "ten"]
    assert [work.index for work in scans.take(3)] == [1]


@pytest.mark.parametrize("items", [[], [ScanItem("no url")] * 3], ids=["none", "only bad ones"])
def test_a_scan_without_anything_to_fetch_is_done_at_once(
    scans: ScanStore, items: list[ScanItem]
) -> None:
    summary = scans.create(A, owner=OWNER, force=False, items=items)
    assert summary.status == "done"
    assert summary.failed == len(items)
    assert summary.finished_at is not None
    assert scans.take(1) == []


def test_force_lets_nothing_count_that_was_known_before(scans: ScanStore) -> None:
    make(scans, urls(1), A)
    make(scans, urls(1), B, force=True)
    since = {work.scan_id: work.created_at - work.since for work in scans.take(2)}
    assert since == {A: 3600, B: 0}


def test_who_listens_hears_of_a_change(scans: ScanStore) -> None:
    make(scans, urls(2), A)
    make(scans, urls(1), B)
    works = [work for work in scans.take(3) if work.scan_id == A]
    with scans.listen(A) as listener:
        assert not listener.wait(time.monotonic() + 0.05)
        for work in works:
            scans.record(work, judged())
        assert listener.wait(time.monotonic() + 10)
        assert not listener.wait(time.monotonic() + 0.05)
        scans.cancel(B)
        assert not listener.wait(time.monotonic() + 0.05)


# Who gets what


def test_items_are_taken_once(scans: ScanStore) -> None:
    make(scans, urls(40))
    taken: list[Work] = []

    def take() -> None:
        while works := scans.take(3):
            taken.extend(works)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(work.index for work in taken) == list(range(40))


def test_scans_take_turns_so_that_a_small_one_is_not_behind_a_big_one(scans: ScanStore) -> None:
    make(scans, urls(100), A)
    assert {work.scan_id for work in scans.take(4)} == {A}
    make(scans, urls(8), B)
    turns = [{work.scan_id for work in scans.take(4)} for _ in range(5)]
    assert turns == [{B}, {A}, {B}, {A}, {A}]


def test_a_scan_with_too_little_leaves_the_rest_of_a_turn_to_the_next(scans: ScanStore) -> None:
    make(scans, urls(2), A)
    make(scans, urls(10), B)
    assert len(scans.take(6)) == 6
    assert len(scans.take(10)) == 6


def test_hosts_take_turns_within_a_scan(scans: ScanStore) -> None:
    make(scans, [*urls(50, "big.example"), *urls(2, "small.example"), *urls(1, "one.example")])
    hosts = [work.address.split("/")[2] for work in scans.take(5)]
    assert sorted(hosts) == [
        *("big.example", "big.example", "one.example", "small.example", "small.example")
    ]


def test_an_item_whose_worker_vanished_is_given_to_another(scans: ScanStore, redis: Redis) -> None:
    make(scans, urls(2))
    (lost, _) = scans.take(2)
    assert scans.take(2) == []
    pass_time(redis, A, LEASE - 5)
    assert scans.take(2) == []
    pass_time(redis, A, 6)
    assert lost in scans.take(2)


def test_an_item_is_kept_by_who_says_so_and_has_not_given_it_up(
    scans: ScanStore, redis: Redis
) -> None:
    make(scans, urls(4))
    kept, put_off, ended, woken = scans.take(4)
    scans.defer(put_off, 5)
    scans.defer(woken, 600)
    scans.wake(A, woken.index)
    scans.record(ended, judged())
    pass_time(redis, A, LEASE - 5)
    for work in (kept, put_off, ended, woken):
        scans.renew(work)
    pass_time(redis, A, LEASE - 5)
    assert {work.index for work in scans.take(4)} == {put_off.index, woken.index}


def test_nothing_is_recorded_twice(scans: ScanStore, redis: Redis) -> None:
    make(scans, urls(2))
    (work, _) = scans.take(2)
    pass_time(redis, A, LEASE + 1)
    assert work in scans.take(2)
    assert scans.record(work, judged())
    assert not scans.record(work, failed())
    scans.defer(work, 0)
    assert work not in scans.take(2)
    summary = scans.summary(A)
    assert summary is not None
    assert (summary.done, summary.failed, summary.pending) == (1, 0, 1)
    assert len(scans.finished(A, count=10)) == 1


def test_an_item_that_is_put_off_comes_when_its_time_has_come(
    scans: ScanStore, redis: Redis
) -> None:
    make(scans, urls(1))
    (work,) = scans.take(1)
    scans.defer(work, 30)
    assert scans.ready() == 0
    assert scans.take(1) == []
    pass_time(redis, A, 31)
    assert scans.ready() == 1
    assert scans.take(1) == [work]


def test_an_item_that_is_put_off_can_be_woken_and_one_under_way_cannot(scans: ScanStore) -> None:
    make(scans, urls(1))
    (work,) = scans.take(1)
    assert not scans.wake(A, work.index)
    assert scans.take(1) == []
    scans.defer(work, 30)
    assert scans.wake(A, work.index)
    assert scans.take(1) == [work]
    scans.record(work, judged())
    assert not scans.wake(A, work.index)
    assert not scans.wake(B, 0)


@pytest.mark.parametrize("how", ["taken", "put off"])
def test_a_clock_that_is_set_back_holds_nothing_up(
    scans: ScanStore, redis: Redis, how: str
) -> None:
    make(scans, urls(1))
    (work,) = scans.take(1)
    if how == "put off":
        scans.defer(work, 30)
    pass_time(redis, A, -24 * 3600)
    assert scans.ready() == 1
    assert scans.take(1) == [work]


# How scans end


def test_cancelling_ends_what_nobody_has_begun_and_leaves_what_is_under_way(
    scans: ScanStore,
) -> None:
    make(scans, urls(5000))
    under_way, put_off, done = scans.take(3)
    scans.defer(put_off, 60)
    scans.record(done, judged())
    summary = scans.cancel(A)
    assert summary is not None
    assert (summary.status, summary.finished_at) == ("cancelled", None)
    assert (summary.done, summary.cancelled, summary.pending) == (1, 4998, 1)
    assert scans.take(10) == []
    scans.record(under_way, judged())
    summary = scans.summary(A)
    assert summary is not None
    assert (summary.status, summary.done, summary.pending) == ("cancelled", 2, 0)
    assert summary.finished_at is not None
    (result,) = scans.results(A, start=put_off.index, count=1)
    assert result.item.status == "failed"
    assert result.item.error is not None
    assert result.item.error.code == ErrorCode.CANCELLED
    assert len(scans.finished(A, count=6000)) == 5000


def test_what_was_under_way_when_its_scan_was_cancelled_and_its_worker_died_is_cancelled(
    scans: ScanStore, redis: Redis
) -> None:
    make(scans, urls(2))
    gone, put_off = scans.take(2)
    scans.cancel(A)
    scans.defer(put_off, 60)
    pass_time(redis, A, LEASE + 1)
    assert scans.take(2) == []
    summary = scans.summary(A)
    assert summary is not None
    assert (summary.cancelled, summary.pending) == (2, 0)
    assert not scans.record(gone, judged())


def test_cancelling_what_has_ended_changes_nothing(scans: ScanStore) -> None:
    make(scans, urls(1))
    scans.record(scans.take(1)[0], judged())
    before = scans.summary(A)
    assert scans.cancel(A) == before
    assert scans.cancel(B) is None


def test_an_ended_scan_can_be_asked_for_until_it_expires_and_leaves_nothing(
    scans: ScanStore, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert scans.claim_key(OWNER, "k", "f", A) is None
    make(scans, urls(3))
    for work in scans.take(3):
        scans.record(work, judged())
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + SCAN_RESULTS_TTL - 60)
    scans.sweep()
    assert len(scans.results(A, count=3)) == 3
    monkeypatch.setattr(time, "time", lambda: now + SCAN_RESULTS_TTL + 60)
    scans.sweep()
    assert list(redis.scan_iter()) == []


def test_a_running_scan_is_never_swept(scans: ScanStore, monkeypatch: pytest.MonkeyPatch) -> None:
    make(scans, urls(1))
    (work,) = scans.take(1)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 2 * SCAN_RESULTS_TTL)
    scans.sweep()
    monkeypatch.undo()
    assert scans.record(work, judged())


def test_a_scan_that_was_deleted_takes_no_more_results(scans: ScanStore, redis: Redis) -> None:
    make(scans, urls(2))
    (work, other) = scans.take(2)
    scans.delete(A)
    assert not scans.record(work, judged())
    scans.defer(other, 1)
    assert scans.summary(A) is None
    assert list(redis.scan_iter()) == []


def test_a_scan_of_which_only_a_part_was_written_is_not_there_and_is_swept(
    scans: ScanStore, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def items() -> Iterator[ScanItem]:
        yield from urls(2500)
        assert scans.summary(A) is None
        assert scans.take(1) == []
        raise ConnectionError("the client has gone")

    assert scans.claim_key(OWNER, "k", "f", A) is None
    with pytest.raises(ConnectionError):
        scans.create(A, owner=OWNER, force=False, items=items())
    scans.sweep()
    assert redis.exists(scan_key(A, ":items")), "somebody may be writing still"
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + INTAKE_TTL + 1)
    scans.sweep()
    assert list(redis.scan_iter()) == []


def test_a_scan_that_was_swept_while_it_was_made_is_not_made(scans: ScanStore) -> None:
    def items() -> Iterator[ScanItem]:
        yield from urls(1500)
        scans.delete(A)
        yield from urls(10)

    with pytest.raises(store.ScanLostError):
        scans.create(A, owner=OWNER, force=False, items=items())
    assert scans.summary(A) is None


def test_a_scan_whose_maker_died_before_it_was_put_among_the_running_is_run(
    scans: ScanStore, redis: Redis
) -> None:
    make(scans, urls(1))
    redis.zrem("assay:scans", A)
    redis.zadd("assay:scan-deadlines", {A: time.time() - 1})
    assert scans.take(1) == []
    scans.sweep()
    assert len(scans.take(1)) == 1


def test_a_scan_whose_worker_died_with_its_last_result_is_swept_in_time(
    scans: ScanStore, redis: Redis
) -> None:
    make(scans, urls(1))
    scans.record(scans.take(1)[0], judged())
    redis.zrem("assay:scan-deadlines", A)
    redis.zadd("assay:scans", {A: 0})
    scans.sweep()
    assert redis.zrange("assay:scans", 0, -1) == []
    assert redis.zscore("assay:scan-deadlines", A) is not None


def test_no_key_of_a_scan_expires_by_itself(scans: ScanStore, redis: Redis) -> None:
    scans.claim_key(OWNER, "k", "f", A)
    make(scans, [*urls(3), ScanItem("no url")])
    scans.record(scans.take(1)[0], judged())
    assert len(keys := list(redis.scan_iter())) == 8
    assert {redis.ttl(key) for key in keys} == {-1}


# Idempotency keys


def test_an_idempotency_key_stands_for_one_scan_of_its_owner(scans: ScanStore) -> None:
    assert scans.claim_key(OWNER, "k", "print", A) is None
    assert scans.claim_key(OWNER, "k", "print", A) is None, "the maker may ask again"
    assert scans.claim_key(OWNER, "k", "other", B) == Request(A, "print")
    assert scans.claim_key("key-2", "k", "other", B) is None
    scans.delete(A)
    assert scans.claim_key(OWNER, "k", "print", "c" * 32) is None


def test_a_scan_refused_for_its_key_leaves_nothing(scans: ScanStore, redis: Redis) -> None:
    scans.claim_key(OWNER, "k", "print", A)
    before = set(redis.scan_iter())
    scans.claim_key(OWNER, "k", "print", B)
    assert set(redis.scan_iter()) == before
    assert redis.zrange("assay:scan-deadlines", 0, -1) == [A.encode()]


# Size


def test_fifty_thousand_items_are_made_taken_and_read_at_a_pace(scans: ScanStore) -> None:
    count = 50_000
    started = time.monotonic()
    scans.create(
        A,
        owner=OWNER,
        force=False,
        items=(ScanItem(f"https://h{n % 100}.example/{n}.jpg", str(n)) for n in range(count)),
    )
    assert scans.ready() == count
    assert len(scans.take(1000)) == 1000
    read = sum(len(scans.results(A, start=s, count=1000)) for s in range(0, count, 1000))
    assert read == count
    assert time.monotonic() - started < 60, "a few seconds on an idle machine"
