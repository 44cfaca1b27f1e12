"""The items of scans: who takes which when, and what is recorded of it."""

from __future__ import annotations

import threading

import pytest
from redis import Redis

from tests.workers.storage.scan_data import A, B, failed, judged, make, pass_time, urls
from workers.storage.claims import LEASE
from workers.storage.scans import Scans
from workers.storage.scans.records import TakenItem


def test_items_are_taken_once(scans: Scans) -> None:
    make(scans, urls(40))
    taken: list[TakenItem] = []

    def take() -> None:
        while items := scans.items.take(3):
            taken.extend(items)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(item.index for item in taken) == list(range(40))


def test_scans_take_turns_so_that_a_small_one_is_not_behind_a_big_one(scans: Scans) -> None:
    make(scans, urls(100), A)
    assert {item.scan_id for item in scans.items.take(4)} == {A}
    make(scans, urls(8), B)
    turns = [{item.scan_id for item in scans.items.take(4)} for _ in range(5)]
    assert turns == [{B}, {A}, {B}, {A}, {A}]


def test_a_scan_with_too_little_leaves_the_rest_to_the_next(scans: Scans) -> None:
    make(scans, urls(2), A)
    make(scans, urls(10), B)
    assert len(scans.items.take(6)) == 6
    assert len(scans.items.take(10)) == 6


def test_hosts_take_turns_within_a_scan(scans: Scans) -> None:
    make(scans, [*urls(50, "big.example"), *urls(2, "small.example"), *urls(1, "one.example")])
    hosts = [item.address.split("/")[2] for item in scans.items.take(5)]
    assert sorted(hosts) == [
        *("big.example", "big.example", "one.example", "small.example", "small.example")
    ]


def test_an_item_whose_worker_vanished_is_given_to_another(scans: Scans, redis: Redis) -> None:
    make(scans, urls(2))
    (lost, _) = scans.items.take(2)
    assert scans.items.take(2) == []
    pass_time(redis, A, LEASE - 5)
    assert scans.items.take(2) == []
    pass_time(redis, A, 6)
    assert lost in scans.items.take(2)


def test_an_item_is_kept_by_who_says_so_and_has_not_given_it_up(scans: Scans, redis: Redis) -> None:
    make(scans, urls(4))
    kept, put_off, ended, woken = scans.items.take(4)
    scans.items.defer(put_off, 5)
    scans.items.defer(woken, 600)
    scans.items.wake(A, woken.index)
    scans.items.record(ended, judged())
    pass_time(redis, A, LEASE - 5)
    for item in (kept, put_off, ended, woken):
        scans.items.renew(item)
    pass_time(redis, A, LEASE - 5)
    assert {item.index for item in scans.items.take(4)} == {put_off.index, woken.index}


def test_nothing_is_recorded_twice(scans: Scans, redis: Redis) -> None:
    make(scans, urls(2))
    (item, _) = scans.items.take(2)
    pass_time(redis, A, LEASE + 1)
    assert item in scans.items.take(2)
    assert scans.items.record(item, judged())
    assert not scans.items.record(item, failed())
    scans.items.defer(item, 0)
    assert item not in scans.items.take(2)
    summary = scans.reader.summary(A)
    assert summary is not None
    assert (summary.done, summary.failed, summary.pending) == (1, 0, 1)
    assert len(scans.reader.finished(A, count=10)) == 1


def test_an_item_that_is_put_off_comes_when_its_time_has_come(scans: Scans, redis: Redis) -> None:
    make(scans, urls(1))
    (item,) = scans.items.take(1)
    scans.items.defer(item, 30)
    assert scans.items.ready() == 0
    assert scans.items.take(1) == []
    pass_time(redis, A, 31)
    assert scans.items.ready() == 1
    assert scans.items.take(1) == [item]


def test_an_item_is_put_off_for_longer_unless_it_was_woken(scans: Scans, redis: Redis) -> None:
    make(scans, urls(3))
    put_off, woken, taken = scans.items.take(3)
    for item in (put_off, woken):
        scans.items.defer(item, 20)
    scans.items.wake(A, woken.index)
    for item in (put_off, woken, taken):
        scans.items.prolong(item, 600)
    assert scans.items.take(3) == [woken]
    scans.items.record(woken, judged())
    pass_time(redis, A, LEASE + 1)
    assert scans.items.take(3) == [taken]
    scans.items.record(taken, judged())
    pass_time(redis, A, 600)
    assert scans.items.take(3) == [put_off]


def test_an_item_that_is_put_off_can_be_woken_and_one_under_way_cannot(scans: Scans) -> None:
    make(scans, urls(1))
    (item,) = scans.items.take(1)
    assert not scans.items.wake(A, item.index)
    assert scans.items.take(1) == []
    scans.items.defer(item, 30)
    assert scans.items.wake(A, item.index)
    assert scans.items.take(1) == [item]
    scans.items.record(item, judged())
    assert not scans.items.wake(A, item.index)
    assert not scans.items.wake(B, 0)


@pytest.mark.parametrize("how", ["taken", "put off"])
def test_a_clock_that_is_set_back_holds_nothing_up(scans: Scans, redis: Redis, how: str) -> None:
    make(scans, urls(1))
    (item,) = scans.items.take(1)
    if how == "put off":
        scans.items.defer(item, 30)
    pass_time(redis, A, -24 * 3600)
    assert scans.items.ready() == 1
    assert scans.items.take(1) == [item]
