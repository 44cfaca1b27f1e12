"""Dispatch tasks, which move scans on. Light: the API imports this and not the tasks.

A dispatch task takes some items of the scans, whichever are due, processes them, and sends itself
again while there are more. Its message holds nothing but the id of the dispatch, so a lost message
loses no work. Dispatches are registered, each with a deadline, and those that miss theirs are
replaced. A message whose dispatch is no longer registered does nothing.
"""

from __future__ import annotations

import time
import uuid

import structlog
from celery import Celery
from kombu.exceptions import OperationalError
from redis import RedisError

from workers.scheduling.queues import BATCH, CONFIRM_TIMEOUT, SCAN_TASK
from workers.storage import keys
from workers.storage.claims import LEASE
from workers.storage.stores import Stores

DISPATCH_TTL = 90
"""Seconds after which a dispatch that nobody has begun counts as lost."""
DISPATCHES_PER_PROCESS = 2
"""One that runs, and one that is queued, so that no process waits for work."""
ITEMS_PER_DISPATCH = BATCH["bulk"]

log = structlog.get_logger()


class Dispatcher:
    """The dispatches of one model version. Thread-safe.

    Args:
        stores: the scans, and the workers that are alive.
        celery: takes the messages.
    """

    def __init__(self, stores: Stores, celery: Celery) -> None:
        self._redis = stores.redis
        self._version = stores.model_version
        self._workers = stores.workers
        self._items = stores.scans.items
        self._celery = celery
        self._key = keys.dispatch(self._version)

    def top_up(self) -> None:
        """Replace lost dispatches, and send as many as the ready work needs.

        Called whenever there may be new work, and every few seconds by every worker. If the broker
        takes no message, the next call makes up for it.
        """
        now = time.time()
        self._redis.zremrangebyscore(self._key, "-inf", now)
        # These were registered before the clock was set back.
        self._redis.zremrangebyscore(self._key, now + DISPATCH_TTL + 1, "+inf")
        for _ in range(self._wanted() - self._redis.zcard(self._key)):
            self._send(uuid.uuid4().hex)

    def renew(self, dispatch_id: str) -> bool:
        """Extend the deadline of a dispatch that runs to `LEASE` seconds from now.

        Returns:
            False if it is not registered, so that it must do nothing.
        """
        deadline = {dispatch_id: time.time() + LEASE}
        return bool(self._redis.zadd(self._key, deadline, xx=True, ch=True))

    def finish(self, dispatch_id: str, *, productive: bool) -> None:
        """Send the dispatch again if there is more to do, else unregister it.

        Args:
            dispatch_id: the dispatch, which has run.
            productive: whether it did any work; if not, trying again at once is no use.
        """
        if productive and self._redis.zcard(self._key) <= self._wanted():
            self._send(dispatch_id)
        else:
            self._redis.zrem(self._key, dispatch_id)

    def _wanted(self) -> int:
        """Return how many dispatches the ready work and the live workers call for."""
        ready = self._items.ready()
        processes = sum(
            worker.processes
            for worker in self._workers.live()
            if "bulk" in worker.queues and worker.model_version == self._version
        )
        return min(max(1, DISPATCHES_PER_PROCESS * processes), -(-ready // ITEMS_PER_DISPATCH))

    def _send(self, dispatch_id: str) -> None:
        self._redis.zadd(self._key, {dispatch_id: time.time() + DISPATCH_TTL})
        try:
            self._celery.send_task(
                SCAN_TASK,
                args=[dispatch_id],
                queue="bulk",
                retry=False,
                confirm_timeout=CONFIRM_TIMEOUT,
            )
        except (OperationalError, RedisError) as error:  # RedisError: the Redis is full
            log.warning("dispatch_not_sent", reason=str(error))
            self._redis.zrem(self._key, dispatch_id)
