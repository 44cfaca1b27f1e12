"""The lists of an owner's scans, and idempotency keys."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from redis import Redis

from tests.workers.storage.scan_data import OWNER, A, B, judged, make, urls
from workers.storage.scans import Scans
from workers.storage.scans.records import Request, ScanItem
from workers.storage.scans.scripts import SCAN_RESULTS_TTL


def listed(scans: Scans, owner: str = OWNER, count: int = 100) -> list[str]:
    """Return the ids of all scans of an owner, as they are told page by page."""
    ids: list[str] = []
    before = None
    while True:
        page, before = scans.reader.summaries(owner, before=before, count=count)
        assert len(page) <= count
        ids += [summary.id for summary in page]
        if before is None:
            return ids


@pytest.mark.parametrize("count", [1, 2, 3, 6, 7, 100])
def test_an_owner_s_scans_are_listed_page_by_page_the_newest_first(
    scans: Scans, count: int
) -> None:
    ids = [f"{n:032x}" for n in (3, 1, 2, 9, 0, 5)]
    for scan_id in ids:
        make(scans, urls(1), scan_id)
    assert listed(scans, count=count) == ids[::-1]


def test_scans_that_were_made_at_the_same_moment_are_all_listed(
    scans: Scans, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now)
    ids = {f"{n:032x}" for n in range(5)}
    for scan_id in ids:
        make(scans, urls(1), scan_id)
    found = listed(scans, count=2)
    assert len(found) == 5
    assert {*found} == ids


def test_no_other_owner_s_scan_is_listed(scans: Scans) -> None:
    make(scans, urls(1), A)
    scans.creator.create(B, owner="", force=False, items=urls(1))
    assert listed(scans) == [A]
    assert listed(scans, owner="") == [B]
    for other in ("key-2", OWNER[:-1], f"{OWNER}:", "*", "{"):
        assert listed(scans, owner=other) == []


def test_a_page_goes_on_where_the_last_one_ended_though_that_scan_is_gone(
    scans: Scans,
) -> None:
    for n in range(3):
        make(scans, urls(1), f"{n:032x}")
    (newest,), before = scans.reader.summaries(OWNER, count=1)
    scans.lifecycle.delete(newest.id)
    make(scans, urls(1), A)
    assert [each.id for each in scans.reader.summaries(OWNER, before=before, count=9)[0]] == [
        f"{n:032x}" for n in (1, 0)
    ]


def test_a_scan_is_listed_when_it_is_whole_and_until_it_is_forgotten(
    scans: Scans, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def items() -> Iterator[ScanItem]:
        assert listed(scans) == []
        yield from urls(1)

    scans.creator.create(A, owner=OWNER, force=False, items=items())
    scans.items.record(scans.items.take(1)[0], judged())
    scans.lifecycle.sweep()
    assert listed(scans) == [A]
    later = time.time() + SCAN_RESULTS_TTL + 1
    monkeypatch.setattr("time.time", lambda: later)
    scans.lifecycle.sweep()
    assert listed(scans) == []
    assert list(redis.scan_iter()) == [], "nor is the list"


def test_a_scan_whose_maker_died_before_it_was_listed_is_listed(scans: Scans, redis: Redis) -> None:
    make(scans, urls(1))
    redis.delete(f"assay:scans-of:{OWNER}")
    redis.zadd("assay:scan-deadlines", {A: time.time() - 1})
    assert listed(scans) == []
    scans.lifecycle.sweep()
    assert listed(scans) == [A]


def test_an_idempotency_key_stands_for_one_scan_of_its_owner(scans: Scans) -> None:
    assert scans.creator.claim_key(OWNER, "k", "print", A) is None
    assert scans.creator.claim_key(OWNER, "k", "print", A) is None, "the maker may ask again"
    assert scans.creator.claim_key(OWNER, "k", "other", B) == Request(A, "print")
    assert scans.creator.claim_key("key-2", "k", "other", B) is None
    scans.lifecycle.delete(A)
    assert scans.creator.claim_key(OWNER, "k", "print", "c" * 32) is None


def test_a_scan_refused_for_its_key_leaves_nothing(scans: Scans, redis: Redis) -> None:
    scans.creator.claim_key(OWNER, "k", "print", A)
    before = set(redis.scan_iter())
    scans.creator.claim_key(OWNER, "k", "print", B)
    assert set(redis.scan_iter()) == before
    assert redis.zrange("assay:scan-deadlines", 0, -1) == [A.encode()]
