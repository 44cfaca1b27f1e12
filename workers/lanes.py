"""Lanes: work that waits for its host without holding a thread, until it is called.

A host takes few requests at once. What finds it full is put into the host's lane; who leaves the
host calls the next one, which is queued again. Calling comes before striking off the lane, so a
process that is killed in between loses nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import structlog
from celery import Celery
from kombu.exceptions import OperationalError
from redis import RedisError

from workers.hosts import Hosts
from workers.queue import Job, enqueue
from workers.scans import ScanStore, Work
from workers.store import Store
from workers.turns import Turns

log = structlog.get_logger()


def job_waits(job: Job, model_version: str) -> str:
    """Return how a job of a check is written in a lane; only workers of this version can do it."""
    return json.dumps({"job": job, "version": model_version})


def items_wait(works: Sequence[Work]) -> str:
    """Return how items of scans, all with the same address, are written in a lane."""
    return json.dumps({"items": [(work.scan_id, work.index) for work in works]})


class Lanes:
    """Calls those who wait in lanes. Thread-safe.

    Args:
        hosts: keep the lanes.
        celery: takes jobs that are called.
        store: knows the model version, and whose jobs are under way.
        scans: take items that are called.
        turns: take these on.
    """

    def __init__(
        self, hosts: Hosts, celery: Celery, store: Store, scans: ScanStore, turns: Turns
    ) -> None:
        self._hosts = hosts
        self._celery = celery
        self._store = store
        self._scans = scans
        self._turns = turns

    def call(self, host: str) -> None:
        """Call as many of the host's lane as it has places for.

        Errors are logged only: who is not called now is called by the next who leaves, or `tend`.
        """
        try:
            called = False
            while not called and (waiters := self._hosts.next(host)):
                for waiter in waiters:
                    called |= self._wake(waiter.name)
                    self._hosts.called(host, waiter)
            if called:
                self._turns.top_up()
        except (OperationalError, RedisError) as error:
            log.warning("lane_not_called", host=host, reason=str(error))

    def tend(self) -> None:
        """Call those whom nobody called: their host's pause is over, or a worker was killed."""
        for host in self._hosts.with_lanes():
            self.call(host)

    def _wake(self, waiter: str) -> bool:
        """Queue what waited; false if it needs no place any more."""
        waiting = json.loads(waiter)
        if (job := waiting.get("job")) and waiting["version"] != self._store.model_version:
            # Our queues are not its; whoever waits for it asks again, and has it queued anew.
            self._store.of(waiting["version"]).wake(job["address"])
            return False
        if job:
            enqueue(self._celery, [job], job["queue"])
            return True
        woken = [self._scans.wake(scan_id, index) for scan_id, index in waiting["items"]]
        return any(woken)
