"""How long tasks wait in their queue, whatever the broker."""

from __future__ import annotations

import time
from contextlib import suppress

from redis import Redis, RedisError

from workers.scheduling.queues import Queue
from workers.storage import keys

_BEHIND_AFTER, _LOST_AFTER = 0.1, 75
"""Seconds after which a task that has not begun counts as behind, and as lost. No process is busy
with one task for longer than the latter."""
_GRACE = 60
"""Seconds for which a task may be recorded although it is in no queue: just sent, or begun."""


class QueueLatency:
    """When the tasks that wait were sent. Errors of Redis lose the figure, and never the task.

    Args:
        redis: a client that returns bytes.
        model_version: each version has its own queues.
    """

    def __init__(self, redis: Redis, model_version: str) -> None:
        self._redis = redis
        self._version = model_version

    def sent(self, queue: str, task_id: str) -> None:
        """Record a task that is about to be sent."""
        with suppress(RedisError):
            self._redis.zadd(keys.queued(self._version, queue), {task_id: time.time()})

    def begun(self, queue: str, task_id: str) -> float | None:
        """Remove a task; return for how many seconds it waited, if that is known."""
        key = keys.queued(self._version, queue)
        try:
            with self._redis.pipeline() as pipe:
                pipe.zscore(key, task_id)
                pipe.zrem(key, task_id)
                at, _ = pipe.execute()
        except RedisError:
            return None
        return None if at is None else max(0.0, time.time() - float(at))

    def is_behind(self, queue: Queue) -> bool:
        """Return whether a task waits in the queue that was not sent just now."""
        now = time.time()
        key = keys.queued(self._version, queue)
        with suppress(RedisError):
            return bool(self._redis.zcount(key, now - _LOST_AFTER, now - _BEHIND_AFTER))
        return False

    def oldest(self, queue: Queue, depth: int) -> float:
        """Return for how many seconds the oldest task of a queue has waited.

        Args:
            queue: the queue.
            depth: how many tasks the broker has in it. If none, the recorded tasks were lost.

        Raises:
            redis.RedisError: the store cannot be reached.
        """
        now, key = time.time(), keys.queued(self._version, queue)
        if depth == 0:
            self._redis.zremrangebyscore(key, "-inf", now - _GRACE)
            return 0.0
        first = self._redis.zrange(key, 0, 0, withscores=True)
        return max(0.0, now - float(first[0][1])) if first else 0.0
