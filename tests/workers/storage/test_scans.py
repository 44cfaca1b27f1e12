"""Scans: creating and reading them."""

from __future__ import annotations

import time

import pytest

from models.errors import ErrorCode
from tests.workers.storage.scan_data import DEAD, OWNER, A, B, failed, judged, make, urls
from tests.workers.storage.test_verdict_cache import a_verdict
from workers.storage.scans import Scans
from workers.storage.scans.records import ScanItem
from workers.storage.scans.scripts import SCAN_RESULTS_TTL
from workers.storage.verdict_cache import CacheEntry


def test_a_scan_is_told_of_as_it_was_made(scans: Scans) -> None:
    before = time.time()
    made = scans.creator.create(A, owner=OWNER, force=True, items=urls(3))
    assert made == scans.reader.summary(A)
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
        "kind": "images",
        "pages": 0,
        "pages_left": 0,
    }
    assert before <= made.created_at <= time.time()
    assert made.pending == 3
    assert scans.reader.summary(B) is None


def test_results_come_in_pages_in_the_order_of_the_scan(scans: Scans) -> None:
    make(scans, [ScanItem(f"https://example.com/{n}", f"row-{n}") for n in range(25)])
    items = scans.items.take(25)
    for item in reversed(items):
        scans.items.record(item, judged())
    first, second = scans.reader.results(A, count=20), scans.reader.results(A, start=20, count=20)
    assert [result.index for result in first + second] == list(range(25))
    assert [result.custom_id for result in second] == [f"row-{n}" for n in range(20, 25)]
    assert [result.item.url for result in second] == [
        f"https://example.com/{n}" for n in range(20, 25)
    ]
    assert {result.item.status for result in first + second} == {"done"}
    assert scans.reader.results(A, start=25, count=20) == []


def test_finished_ones_come_in_the_order_in_which_they_finished(scans: Scans) -> None:
    make(scans, urls(5))
    items = {item.index: item for item in scans.items.take(5)}
    assert scans.reader.finished(A, count=10) == []
    for index in (3, 0, 4):
        scans.items.record(items[index], judged())
    assert [result.index for result in scans.reader.finished(A, count=10)] == [3, 0, 4]
    assert [result.index for result in scans.reader.finished(A, start=1, count=1)] == [0]
    assert [result.item.status for result in scans.reader.results(A, count=5)] == [
        *("done", "pending", "pending", "done", "done")
    ]


def test_a_result_is_what_the_worker_recorded(scans: Scans) -> None:
    make(scans, urls(2))
    first, second = scans.items.take(2)
    known = judged()
    scans.items.record(first, known)
    scans.items.record(second, failed())
    one, two = (result.item for result in scans.reader.finished(A, count=2))
    assert known.verdict is not None
    assert one.verdict == known.verdict.model_copy(update={"cached": False})
    assert one.error is None
    assert (two.status, two.verdict, two.error) == ("failed", None, DEAD)


def test_a_verdict_from_before_the_scan_is_a_cached_one(scans: Scans) -> None:
    make(scans, urls(1))
    (item,) = scans.items.take(1)
    scans.items.record(item, CacheEntry(at=item.created_at - 10, verdict=a_verdict()))
    (result,) = scans.reader.finished(A, count=1)
    assert result.item.verdict is not None
    assert result.item.verdict.cached


def test_a_scan_is_done_with_its_last_result(scans: Scans) -> None:
    make(scans, urls(3))
    items = scans.items.take(3)
    scans.items.record(items[0], judged())
    scans.items.record(items[1], failed())
    summary = scans.reader.summary(A)
    assert summary is not None
    assert (summary.status, summary.done, summary.failed, summary.pending) == ("running", 1, 1, 1)
    scans.items.record(items[2], judged())
    summary = scans.reader.summary(A)
    assert summary is not None
    assert (summary.status, summary.done, summary.failed, summary.pending) == ("done", 2, 1, 0)
    assert summary.labels == {"ai": 2}
    assert summary.finished_at is not None
    assert summary.finished_at == pytest.approx(time.time(), abs=60)
    assert summary.expires_at == pytest.approx(summary.finished_at + SCAN_RESULTS_TTL, abs=1)


def test_urls_that_can_never_be_fetched_have_failed_when_the_scan_begins(scans: Scans) -> None:
    make(scans, [ScanItem("ftp://e.com/"), *urls(1), ScanItem("http://10.0.0.1/", "ten")])
    assert [
        result.item.error and result.item.error.code for result in scans.reader.results(A, count=3)
    ] == [
        ErrorCode.BAD_URL,
        None,
        ErrorCode.BLOCKED_ADDRESS,
    ]
    assert [result.custom_id for result in scans.reader.finished(A, count=3)] == [None, "ten"]
    assert [item.index for item in scans.items.take(3)] == [1]


@pytest.mark.parametrize("items", [[], [ScanItem("no url")] * 3], ids=["none", "only bad ones"])
def test_a_scan_without_anything_to_fetch_is_done_at_once(
    scans: Scans, items: list[ScanItem]
) -> None:
    summary = scans.creator.create(A, owner=OWNER, force=False, items=items)
    assert summary.status == "done"
    assert summary.failed == len(items)
    assert summary.finished_at is not None
    assert scans.items.take(1) == []


def test_force_lets_nothing_count_that_was_known_before(scans: Scans) -> None:
    make(scans, urls(1), A)
    make(scans, urls(1), B, force=True)
    since = {item.scan_id: item.created_at - item.since for item in scans.items.take(2)}
    assert since == {A: 3600, B: 0}


def test_who_listens_hears_of_a_change(scans: Scans) -> None:
    make(scans, urls(2), A)
    make(scans, urls(1), B)
    items = [item for item in scans.items.take(3) if item.scan_id == A]
    with scans.reader.listen(A) as listener:
        assert not listener.wait(time.monotonic() + 0.05)
        for item in items:
            scans.items.record(item, judged())
        assert listener.wait(time.monotonic() + 10)
        assert not listener.wait(time.monotonic() + 0.05)
        scans.lifecycle.cancel(B)
        assert not listener.wait(time.monotonic() + 0.05)


def test_fifty_thousand_items_are_made_taken_and_read_at_a_pace(scans: Scans) -> None:
    count = 50_000
    started = time.monotonic()
    scans.creator.create(
        A,
        owner=OWNER,
        force=False,
        items=(ScanItem(f"https://h{n % 100}.example/{n}.jpg", str(n)) for n in range(count)),
    )
    assert scans.items.ready() == count
    assert len(scans.items.take(1000)) == 1000
    read = sum(len(scans.reader.results(A, start=s, count=1000)) for s in range(0, count, 1000))
    assert read == count
    assert time.monotonic() - started < 120, "a few seconds on an idle machine"
