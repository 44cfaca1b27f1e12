"""Host wait queues: work that waits for its host without holding a thread.

A host takes few requests at once. Work that finds it full goes into the host's queue. Whoever
releases a slot of the host wakes the next work in the queue. Work is woken before it is removed
from the queue, so a process that is killed in between loses nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import structlog
from celery import Celery
from kombu.exceptions import OperationalError
from redis import RedisError

from workers.fetching.host_limits import HostLimiter
from workers.scheduling.dispatch import Dispatcher
from workers.scheduling.queues import Job, enqueue
from workers.storage.claims import Claims
from workers.storage.scans.records import TakenItem
from workers.storage.stores import Stores

log = structlog.get_logger()


def job_waiting(job: Job, model_version: str) -> str:
    """Write a check's job for a queue; only workers of this model version can do it."""
    return json.dumps({"job": job, "version": model_version})


def items_waiting(items: Sequence[TakenItem]) -> str:
    """Write items of scans, all with the same address, for a queue."""
    return json.dumps({"items": [(item.scan_id, item.index) for item in items]})


class WaitQueues:
    """Wakes the work in the hosts' queues. Thread-safe.

    Args:
        hosts: holds the queues.
        stores: the claims of jobs, and the items of scans.
        celery: takes jobs that are woken.
        dispatcher: has items that are woken taken.
    """

    def __init__(
        self, hosts: HostLimiter, stores: Stores, celery: Celery, dispatcher: Dispatcher
    ) -> None:
        self._hosts = hosts
        self._redis = stores.redis
        self._version = stores.model_version
        self._items = stores.scans.items
        self._celery = celery
        self._dispatcher = dispatcher

    def wake(self, host: str) -> None:
        """Wake as much of the host's queue as it has slots for.

        Errors are only logged: the next release of a slot, or `wake_all`, wakes the work instead.
        """
        try:
            woken = False
            while not woken and (next_ones := self._hosts.next(host)):
                for waiting in next_ones:
                    woken |= self._wake(waiting.work)
                    self._hosts.dequeue(host, waiting)
            if woken:
                self._dispatcher.top_up()
        except (OperationalError, RedisError) as error:
            log.warning("wait_queue_not_woken", host=host, reason=str(error))

    def wake_all(self) -> None:
        """Wake work that nobody woke: its host's pause is over, or a worker was killed."""
        for host in self._hosts.waiting_hosts():
            self.wake(host)

    def _wake(self, work: str) -> bool:
        """Queue work for workers; return False if it needs no slot any more."""
        waiting = json.loads(work)
        if (job := waiting.get("job")) and waiting["version"] != self._version:
            # Our queues are not that version's. Whoever waits asks again, and has it queued again.
            Claims(self._redis, waiting["version"]).end([job["address"]])
            return False
        if job:
            enqueue(self._celery, [job], job["queue"])
            return True
        woken = [self._items.wake(scan_id, index) for scan_id, index in waiting["items"]]
        return any(woken)
