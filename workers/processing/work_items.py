"""The work of a worker: jobs of checks, and items of scans."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from celery import Celery

from workers.scheduling.queues import Job, enqueue
from workers.scheduling.wait_queues import items_waiting, job_waiting
from workers.storage.claims import LEASE
from workers.storage.scans.records import TakenItem
from workers.storage.scans.scripts import LONGEST_DEFERRAL
from workers.storage.stores import Stores
from workers.storage.verdict_cache import CacheEntry

BUSY_ELSEWHERE = 1.0
"""Seconds for which an item is deferred whose address another job works on."""


class WorkItem(ABC):
    """One address to process, by a worker that has claimed it.

    Attributes:
        address: a canonical URL, or the address of an upload.
        since: Unix s. A cache entry from before this is too old.
        entry: the cache entry of the address, which is too old.
        referer: the origin of the page that shows the image, if any.
        waiting: the work, as it is written in a host's queue.
        robots: whether the URL's robots.txt is obeyed, because no person named this URL.
        log_fields: added to the log events of this work.
    """

    address: str
    since: float
    entry: CacheEntry | None
    referer: str | None = None
    robots: bool = False
    waiting: str
    log_fields: Mapping[str, str] = MappingProxyType({})

    @abstractmethod
    def renew(self) -> None:
        """Extend the claim to `workers.storage.claims.LEASE` seconds from now."""

    @abstractmethod
    def complete(self, entry: CacheEntry) -> None:
        """Hand over the result, which is in the cache already."""

    @abstractmethod
    def requeue(self) -> None:
        """Give the work up; it is taken again soon."""

    @abstractmethod
    def park(self) -> None:
        """Give the work up; it is taken again when its host's queue wakes it, or soon."""

    @abstractmethod
    def stay_parked(self) -> None:
        """Leave parked work to its host's queue, unless it was woken meanwhile."""


class CheckWork(WorkItem):
    """A job that a check has queued. The cache notifies those who wait for it."""

    def __init__(
        self, job: Job, entry: CacheEntry | None, owner: str, stores: Stores, celery: Celery
    ) -> None:
        self.address, self.since, self.referer = job["address"], job["since"], job["referer"]
        self.entry = entry
        self.waiting = job_waiting(job, stores.model_version)
        self._job = job
        self._owner = owner
        self._claims = stores.claims
        self._celery = celery

    def renew(self) -> None:
        """Extend the claim of the address."""
        self._claims.renew(self.address, self._owner)

    def complete(self, entry: CacheEntry) -> None:
        """Do nothing more."""

    def requeue(self) -> None:
        """Queue the job again."""
        self._claims.requeue(self.address)
        enqueue(self._celery, [self._job], self._job["queue"])

    def park(self) -> None:
        """Mark the job as queued, although it waits for its host."""
        self._claims.requeue(self.address)

    def stay_parked(self) -> None:
        """Do nothing more. If the queue loses the job, whoever asks again has it queued again."""


class ScanWork(WorkItem):
    """Items of scans, all with the same address."""

    def __init__(
        self, items: Sequence[TakenItem], entry: CacheEntry | None, owner: str, stores: Stores
    ) -> None:
        self.address = items[0].address
        self.since = max(item.since for item in items)
        self.entry = entry
        self.waiting = items_waiting(items)
        self.log_fields = {"scan_id": items[0].scan_id}
        self.robots = all(item.of_page for item in items)
        self._items = items
        self._owner = owner
        self._claims = stores.claims
        self._scans = stores.scans.items

    def renew(self) -> None:
        """Extend the claim of the address and the lease of every item."""
        self._claims.renew(self.address, self._owner)
        for item in self._items:
            self._scans.renew(item)

    def complete(self, entry: CacheEntry) -> None:
        """Record the result of every item."""
        for item in self._items:
            self._scans.record(item, entry)

    def refuse(self, entry: CacheEntry) -> None:
        """Record an error that is none for others who ask for the address."""
        self.complete(entry)
        self._claims.end([self.address])

    def requeue(self) -> None:
        """Let the items be taken again at once."""
        self._defer(0)

    def park(self) -> None:
        """Let the items be taken when they are woken, or else after `LEASE` seconds."""
        self._defer(LEASE)

    def stay_parked(self) -> None:
        """Let the items be taken when they are woken, or else in a while."""
        for item in self._items:
            self._scans.prolong(item, LONGEST_DEFERRAL)

    def _defer(self, seconds: float) -> None:
        for item in self._items:
            self._scans.defer(item, seconds)
        # A check may wait for the address. When it asks again, it gets a job of its own.
        self._claims.end([self.address])


class PageWork:
    """A page of a scan of pages."""

    def __init__(self, item: TakenItem, stores: Stores) -> None:
        self.item = item
        self.address = item.address
        self.waiting = items_waiting([item])
        self.log_fields = {"scan_id": item.scan_id}
        self._scans = stores.scans.items

    def renew(self) -> None:
        """Extend the lease of the item."""
        self._scans.renew(self.item)

    def requeue(self) -> None:
        """Let the item be taken again at once."""
        self._scans.defer(self.item, 0)

    def park(self) -> None:
        """Let the item be taken when it is woken, or else after `LEASE` seconds."""
        self._scans.defer(self.item, LEASE)

    def stay_parked(self) -> None:
        """Let the item be taken when it is woken, or else in a while."""
        self._scans.prolong(self.item, LONGEST_DEFERRAL)


Work = WorkItem | PageWork


def begin_jobs(jobs: Sequence[Job], owner: str, stores: Stores, celery: Celery) -> list[WorkItem]:
    """Start the jobs that are not done yet and that no other task works on.

    Args:
        jobs: the jobs of a task.
        owner: identifies the task.
        stores: the claims and the cache.
        celery: takes jobs that are queued again.
    """
    started = [job for job in jobs if stores.claims.start(job["address"], owner)]
    entries = stores.cache.lookup([job["address"] for job in started])
    work: list[WorkItem] = []
    done: list[str] = []
    for job, entry in zip(started, entries, strict=True):
        if entry and entry.at >= job["since"]:
            done.append(job["address"])  # a task may be delivered twice
        else:
            work.append(CheckWork(job, entry, owner, stores, celery))
    stores.claims.end(done)
    return work


def begin_items(items: Iterable[TakenItem], owner: str, stores: Stores) -> tuple[list[Work], int]:
    """Claim the items' addresses, but for those whose result is cached or that others work on.

    Args:
        items: items that were taken.
        owner: identifies the dispatch.
        stores: the claims, the cache and the scans, where cached results are recorded.

    Returns:
        The work, and the number of items that got their result from the cache.
    """
    work: list[Work] = []
    by_address: dict[str, list[TakenItem]] = {}
    for item in items:
        if item.index < 0:
            work.append(PageWork(item, stores))
            continue
        by_address.setdefault(item.address, []).append(item)
    # Claimed first, so that no result can be saved between the lookup and the claim.
    claimed = set(stores.claims.claim_running(list(by_address), owner))
    entries = stores.cache.lookup(list(by_address))
    recorded = 0
    for (address, same), entry in zip(by_address.items(), entries, strict=True):
        todo = [item for item in same if entry is None or entry.at < item.since]
        for item in same:
            if entry is not None and entry.at >= item.since:
                stores.scans.items.record(item, entry)
                recorded += 1
        if todo and address in claimed:
            claimed.discard(address)
            work.append(ScanWork(todo, entry, owner, stores))
        else:
            for item in todo:
                stores.scans.items.defer(item, BUSY_ELSEWHERE)
    stores.claims.end(sorted(claimed))
    return work, recorded
