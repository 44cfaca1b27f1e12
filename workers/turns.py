"""Turns: what moves scans on. Light: the API imports this and not the tasks.

A turn is a task that takes some items of the scans, whichever are due, judges them and sends itself
again while there are more. A message holds nothing but a turn's id, so one that is lost takes no
work with it: turns are registered, each with a deadline, and those that did not report in time are
replaced. A message whose turn is not registered (any more) does nothing.

===================  =============================================================================
``assay:turns:{v}``  (sorted set) ids of turns, queued or running, by the time (Unix s) until which
                     each must report; each model version has turns of its own
===================  =============================================================================
"""

from __future__ import annotations

import time
import uuid

import structlog
from celery import Celery
from kombu.exceptions import OperationalError
from redis import Redis, RedisError

from workers.leases import LEASE
from workers.queue import BATCH, CONFIRM_TIMEOUT, TURN
from workers.scans import ScanStore
from workers.store import Store

TURN_TTL = 90
"""Seconds after which a turn that nobody has begun is taken for lost."""
TURNS_PER_PROCESS = 2
"""One that runs, and one that is queued, so that no process waits for work."""
TURN_ITEMS = BATCH["bulk"]

log = structlog.get_logger()


class Turns:
    """All turns. Thread-safe.

    Args:
        redis: a client that returns bytes.
        celery: takes the messages.
        store: knows the workers.
        scans: hold the work.
    """

    def __init__(self, redis: Redis, celery: Celery, store: Store, scans: ScanStore) -> None:
        self._redis = redis
        self._celery = celery
        self._store = store
        self._scans = scans
        self._turns = f"assay:turns:{store.model_version}"

    def top_up(self) -> None:
        """Replace lost turns, and send as many more as the work that is ready is worth.

        Called whenever there may be new work, and every few seconds by every worker; a broker that
        takes no message is no error here, for the next call makes up for it.
        """
        now = time.time()
        self._redis.zremrangebyscore(self._turns, "-inf", now)
        # Registered before the clock was set back.
        self._redis.zremrangebyscore(self._turns, now + TURN_TTL + 1, "+inf")
        for _ in range(self._wanted() - self._redis.zcard(self._turns)):
            self._send(uuid.uuid4().hex)

    def runs(self, turn_id: str) -> bool:
        """Note that the turn runs, or still does, for `LEASE` seconds.

        Returns:
            False if it is not registered, so that it must do nothing.
        """
        deadline = {turn_id: time.time() + LEASE}
        return bool(self._redis.zadd(self._turns, deadline, xx=True, ch=True))

    def end(self, turn_id: str, *, productive: bool) -> None:
        """Send the turn again if there is more to do, else strike it off.

        Args:
            turn_id: the turn, which has run.
            productive: whether it could do any work; if not, trying again at once is no use.
        """
        if productive and self._redis.zcard(self._turns) <= self._wanted():
            self._send(turn_id)
        else:
            self._redis.zrem(self._turns, turn_id)

    def _wanted(self) -> int:
        """Return how many turns the work that is ready and the workers that live are worth."""
        ready = self._scans.ready()
        processes = sum(
            worker.processes
            for worker in self._store.live_workers()
            if "bulk" in worker.queues and worker.model_version == self._store.model_version
        )
        return min(max(1, TURNS_PER_PROCESS * processes), -(-ready // TURN_ITEMS))

    def _send(self, turn_id: str) -> None:
        self._redis.zadd(self._turns, {turn_id: time.time() + TURN_TTL})
        try:
            self._celery.send_task(
                TURN, args=[turn_id], queue="bulk", retry=False, confirm_timeout=CONFIRM_TIMEOUT
            )
        except (OperationalError, RedisError) as error:  # the latter: a Redis that is full
            log.warning("turn_not_sent", reason=str(error))
            self._redis.zrem(self._turns, turn_id)
