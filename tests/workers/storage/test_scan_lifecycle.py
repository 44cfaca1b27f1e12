"""How scans end: cancelled, deleted, expired or abandoned."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from redis import Redis

from models.errors import ErrorCode
from tests.workers.storage.scan_data import OWNER, A, B, judged, make, pass_time, urls
from workers.storage import keys
from workers.storage.claims import LEASE
from workers.storage.scans import Scans
from workers.storage.scans.creating import ScanLostError
from workers.storage.scans.index import CREATION_TTL
from workers.storage.scans.records import ScanItem
from workers.storage.scans.scripts import SCAN_RESULTS_TTL


def test_cancelling_ends_what_nobody_has_begun_and_leaves_what_is_under_way(
    scans: Scans,
) -> None:
    make(scans, urls(5000))
    under_way, put_off, done = scans.items.take(3)
    scans.items.defer(put_off, 60)
    scans.items.record(done, judged())
    summary = scans.lifecycle.cancel(A)
    assert summary is not None
    assert (summary.status, summary.finished_at) == ("cancelled", None)
    assert (summary.done, summary.cancelled, summary.pending) == (1, 4998, 1)
    assert scans.items.take(10) == []
    scans.items.record(under_way, judged())
    summary = scans.reader.summary(A)
    assert summary is not None
    assert (summary.status, summary.done, summary.pending) == ("cancelled", 2, 0)
    assert summary.finished_at is not None
    (result,) = scans.reader.results(A, start=put_off.index, count=1)
    assert result.item.status == "failed"
    assert result.item.error is not None
    assert result.item.error.code == ErrorCode.CANCELLED
    assert len(scans.reader.finished(A, count=6000)) == 5000


def test_what_was_under_way_when_its_scan_was_cancelled_and_its_worker_died_is_cancelled(
    scans: Scans, redis: Redis
) -> None:
    make(scans, urls(2))
    gone, put_off = scans.items.take(2)
    scans.lifecycle.cancel(A)
    scans.items.defer(put_off, 60)
    pass_time(redis, A, LEASE + 1)
    assert scans.items.take(2) == []
    summary = scans.reader.summary(A)
    assert summary is not None
    assert (summary.cancelled, summary.pending) == (2, 0)
    assert not scans.items.record(gone, judged())


def test_a_cancelled_scan_reads_no_further_page(scans: Scans) -> None:
    scans.creator.create(A, owner=OWNER, force=False, items=urls(2), kind="pages")
    (under_way,) = scans.items.take(1)
    scans.lifecycle.cancel(A)
    scans.items.expand(under_way, ())
    summary = scans.reader.summary(A)
    assert summary is not None
    assert (summary.finished_at is not None, summary.total, summary.cancelled) == (True, 2, 2)
    for line in scans.reader.finished(A, count=9):
        assert line.item.error is not None
        assert line.item.error.code == ErrorCode.CANCELLED


def test_cancelling_what_has_ended_changes_nothing(scans: Scans) -> None:
    make(scans, urls(1))
    scans.items.record(scans.items.take(1)[0], judged())
    before = scans.reader.summary(A)
    assert scans.lifecycle.cancel(A) == before
    assert scans.lifecycle.cancel(B) is None


def test_an_ended_scan_can_be_asked_for_until_it_expires_and_leaves_nothing(
    scans: Scans, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert scans.creator.claim_key(OWNER, "k", "f", A) is None
    make(scans, urls(3))
    for item in scans.items.take(3):
        scans.items.record(item, judged())
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + SCAN_RESULTS_TTL - 60)
    scans.lifecycle.sweep()
    assert len(scans.reader.results(A, count=3)) == 3
    monkeypatch.setattr(time, "time", lambda: now + SCAN_RESULTS_TTL + 60)
    scans.lifecycle.sweep()
    assert list(redis.scan_iter()) == []


def test_a_running_scan_is_never_swept(scans: Scans, monkeypatch: pytest.MonkeyPatch) -> None:
    make(scans, urls(1))
    (item,) = scans.items.take(1)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 2 * SCAN_RESULTS_TTL)
    scans.lifecycle.sweep()
    monkeypatch.undo()
    assert scans.items.record(item, judged())


def test_a_scan_that_was_deleted_takes_no_more_results(scans: Scans, redis: Redis) -> None:
    make(scans, urls(2))
    (item, other) = scans.items.take(2)
    scans.lifecycle.delete(A)
    assert not scans.items.record(item, judged())
    scans.items.defer(other, 1)
    assert scans.reader.summary(A) is None
    assert list(redis.scan_iter()) == []


def test_a_scan_of_which_only_a_part_was_written_is_not_there_and_is_swept(
    scans: Scans, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def items() -> Iterator[ScanItem]:
        yield from urls(2500)
        assert scans.reader.summary(A) is None
        assert scans.items.take(1) == []
        raise ConnectionError("the client has gone")

    assert scans.creator.claim_key(OWNER, "k", "f", A) is None
    with pytest.raises(ConnectionError):
        scans.creator.create(A, owner=OWNER, force=False, items=items())
    scans.lifecycle.sweep()
    assert redis.exists(keys.scan(A, ":items")), "somebody may be writing still"
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + CREATION_TTL + 1)
    scans.lifecycle.sweep()
    assert list(redis.scan_iter()) == []


def test_a_scan_that_was_swept_while_it_was_made_is_not_made(scans: Scans) -> None:
    def items() -> Iterator[ScanItem]:
        yield from urls(1500)
        scans.lifecycle.delete(A)
        yield from urls(10)

    with pytest.raises(ScanLostError):
        scans.creator.create(A, owner=OWNER, force=False, items=items())
    assert scans.reader.summary(A) is None


def test_a_scan_whose_maker_died_before_it_was_put_among_the_running_is_run(
    scans: Scans, redis: Redis
) -> None:
    make(scans, urls(1))
    redis.zrem("assay:scans", A)
    redis.zadd("assay:scan-deadlines", {A: time.time() - 1})
    assert scans.items.take(1) == []
    scans.lifecycle.sweep()
    assert len(scans.items.take(1)) == 1


def test_a_scan_whose_worker_died_with_its_last_result_is_swept_in_time(
    scans: Scans, redis: Redis
) -> None:
    make(scans, urls(1))
    scans.items.record(scans.items.take(1)[0], judged())
    redis.zrem("assay:scan-deadlines", A)
    redis.zadd("assay:scans", {A: 0})
    scans.lifecycle.sweep()
    assert redis.zrange("assay:scans", 0, -1) == []
    assert redis.zscore("assay:scan-deadlines", A) is not None


def test_no_key_of_a_scan_expires_by_itself(scans: Scans, redis: Redis) -> None:
    scans.creator.claim_key(OWNER, "k", "f", A)
    make(scans, [*urls(3), ScanItem("no url")])
    scans.items.record(scans.items.take(1)[0], judged())
    found = list(redis.scan_iter())
    assert len(found) == 9
    assert {redis.ttl(key) for key in found} == {-1}
