"""How long tasks wait in their queue, whatever broker holds it.

===============================  =================================================================
``assay:waiting:{v}:{queue}``    (sorted set) ids of tasks sent and not begun, by when they were
                                 sent; each model version has queues of its own
===============================  =================================================================
"""

from __future__ import annotations

import time
from contextlib import suppress

from redis import Redis, RedisError

from workers.queue import Queue

_GRACE = 60
"""Seconds for which a task may be noted and in no queue: it is just being sent, or begun."""


class Waiting:
    """The tasks that wait. To note one never fails: the work is worth more than the figure.

    Args:
        redis: a client that returns bytes.
        model_version: whose queues these are.
    """

    def __init__(self, redis: Redis, model_version: str) -> None:
        self._redis = redis
        self._model_version = model_version

    def _key(self, queue: str) -> str:
        return f"assay:waiting:{self._model_version}:{queue}"

    def sent(self, queue: str, task_id: str) -> None:
        """Note a task that is about to be sent."""
        with suppress(RedisError):
            self._redis.zadd(self._key(queue), {task_id: time.time()})

    def begun(self, queue: str, task_id: str) -> float | None:
        """Strike a task off; returns the seconds that it waited, if that is known."""
        try:
            with self._redis.pipeline() as pipe:
                pipe.zscore(self._key(queue), task_id)
                pipe.zrem(self._key(queue), task_id)
                at, _ = pipe.execute()
        except RedisError:
            return None
        return None if at is None else max(0.0, time.time() - float(at))

    def oldest(self, queue: Queue, depth: int) -> float:
        """Return the seconds for which the oldest task of a queue has waited.

        Args:
            queue: the queue.
            depth: how many tasks the broker has in it. If none, those noted were lost.

        Raises:
            redis.RedisError: the store cannot be reached.
        """
        now = time.time()
        if depth == 0:
            self._redis.zremrangebyscore(self._key(queue), "-inf", now - _GRACE)
            return 0.0
        first = self._redis.zrange(self._key(queue), 0, 0, withscores=True)
        return max(0.0, now - float(first[0][1])) if first else 0.0
