"""What a worker is to find out, and whom it tells: jobs of checks, and items of scans."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from celery import Celery

from workers.lanes import items_wait, job_waits
from workers.queue import Job, enqueue
from workers.scans import ScanStore, Work
from workers.scans.keys import MOST_PUT_OFF
from workers.store import Known, Store

BUSY_ELSEWHERE = 1.0
"""Seconds for which an item is put off whose address another job works on."""


class Order(ABC):
    """One address to be judged, by a worker that has its job.

    Attributes:
        address: a canonical URL, or the address of an upload.
        since: Unix s; what was known before this does not count.
        referer: the origin of the page that shows the image, if any.
        waiter: how the order is written in a lane.
        about: what logs tell of it.
    """

    address: str
    since: float
    referer: str | None = None
    waiter: str
    about: Mapping[str, str] = MappingProxyType({})

    @abstractmethod
    def renew(self) -> None:
        """Keep the job for `workers.leases.LEASE` seconds more."""

    @abstractmethod
    def tell(self, known: Known) -> None:
        """Tell what was found; the store knows it already."""

    @abstractmethod
    def put_back(self) -> None:
        """Give the job up, and have it done soon."""

    @abstractmethod
    def set_aside(self) -> None:
        """Give the job up; it is done when it is called in its host's lane."""


class CheckOrder(Order):
    """A job that a check has queued; who waits for it is told by the store."""

    def __init__(self, job: Job, owner: str, store: Store, celery: Celery) -> None:
        self.address, self.since, self.referer = job["address"], job["since"], job["referer"]
        self.waiter = job_waits(job, store.model_version)
        self._job = job
        self._owner = owner
        self._store = store
        self._celery = celery

    def renew(self) -> None:
        """Keep the job."""
        self._store.renew(self.address, self._owner)

    def tell(self, known: Known) -> None:
        """Nothing more."""

    def put_back(self) -> None:
        """Queue the job again."""
        self._store.put_back(self.address)
        enqueue(self._celery, [self._job], self._job["queue"])

    def set_aside(self) -> None:
        """Mark the job as queued, although it is in a lane."""
        self._store.put_back(self.address)


class ScanOrder(Order):
    """Items of scans, all with the same address."""

    def __init__(self, works: Sequence[Work], owner: str, store: Store, scans: ScanStore) -> None:
        self.address = works[0].address
        self.since = max(work.since for work in works)
        self.waiter = items_wait(works)
        self.about = {"scan_id": works[0].scan_id}
        self._works = works
        self._owner = owner
        self._store = store
        self._scans = scans

    def renew(self) -> None:
        """Keep the address's job and every item."""
        self._store.renew(self.address, self._owner)
        for work in self._works:
            self._scans.renew(work)

    def tell(self, known: Known) -> None:
        """Give every item its result."""
        for work in self._works:
            self._scans.record(work, known)

    def put_back(self) -> None:
        """Let the items be taken again at once."""
        self._put_off(0)

    def set_aside(self) -> None:
        """Let the items be taken when they are called, or else in a while."""
        self._put_off(MOST_PUT_OFF)

    def _put_off(self, seconds: float) -> None:
        for work in self._works:
            self._scans.defer(work, seconds)
        # A check may wait for the address; when it asks again, it gets a job of its own.
        self._store.wake(self.address)


def begin_jobs(jobs: Sequence[Job], owner: str, store: Store, celery: Celery) -> list[Order]:
    """Take the jobs that are still to be done, and that no other task does."""
    begun = [job for job in jobs if store.begin(job["address"], owner)]
    orders: list[Order] = []
    for job, known in zip(begun, store.lookup([job["address"] for job in begun]), strict=True):
        if known and known.at >= job["since"]:
            store.wake(job["address"])  # done before: a task may be delivered twice
        else:
            orders.append(CheckOrder(job, owner, store, celery))
    return orders


def begin_items(
    works: Iterable[Work], owner: str, store: Store, scans: ScanStore
) -> tuple[list[Order], int]:
    """Take the items' addresses on, but for those whose result is known or that others work on.

    Args:
        works: items that were taken.
        owner: names the turn.
        store: what is known, and the jobs.
        scans: get the results that are known, and the items that others work on.

    Returns:
        The orders, and the number of items that got their result.
    """
    by_address: dict[str, list[Work]] = {}
    for work in works:
        by_address.setdefault(work.address, []).append(work)
    recorded = _record_known(by_address, store, scans)
    claimed = store.claim_running(list(by_address), owner)
    for address in by_address.keys() - set(claimed):
        for work in by_address.pop(address):
            scans.defer(work, BUSY_ELSEWHERE)
    # Once more, for what became known before the claim.
    recorded += _record_known(by_address, store, scans)
    for address in set(claimed) - by_address.keys():
        store.wake(address)
    return [ScanOrder(each, owner, store, scans) for each in by_address.values()], recorded


def _record_known(by_address: dict[str, list[Work]], store: Store, scans: ScanStore) -> int:
    """Record, and leave out, what is known; returns the number of items that got their result."""
    recorded = 0
    for address, known in zip(list(by_address), store.lookup(list(by_address)), strict=True):
        fresh = [work for work in by_address[address] if known and known.at >= work.since]
        for work in fresh:
            assert known is not None  # noqa: S101
            scans.record(work, known)
        recorded += len(fresh)
        by_address[address] = [work for work in by_address[address] if work not in fresh]
        if not by_address[address]:
            del by_address[address]
    return recorded
