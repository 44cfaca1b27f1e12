"""Which workers are alive."""

from __future__ import annotations

import time
from typing import cast

from pydantic import BaseModel, ConfigDict
from redis import Redis

from models.processor import Precision
from workers.scheduling.queues import Queue
from workers.storage import keys

WORKER_TTL = 15
"""Seconds without a heartbeat after which a worker counts as gone."""


class WorkerRecord(BaseModel):
    """What a worker registers of itself."""

    model_config = ConfigDict(frozen=True)

    name: str
    queues: tuple[Queue, ...]
    processes: int
    """How many processes run its tasks."""
    model_version: str
    precision: Precision | None = None
    """The arithmetic of its networks. None: a worker of an older Assay, which does not tell."""

    @property
    def machine(self) -> str:
        """The name of the machine, or container, that it runs on."""
        return self.name.rpartition("@")[2]


class WorkerRegistry:
    """All workers, of every model version. Thread-safe.

    Args:
        redis: a client that returns bytes.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def heartbeat(self, worker: WorkerRecord) -> None:
        """Register a worker as alive, and drop those that vanished long ago."""
        now = time.time()
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.zadd(keys.WORKERS, {worker.model_dump_json(): now})
            pipe.zremrangebyscore(keys.WORKERS, "-inf", now - 100 * WORKER_TTL)
            pipe.execute()

    def remove(self, worker: WorkerRecord) -> None:
        """Remove a worker, which takes no more work."""
        self._redis.zrem(keys.WORKERS, worker.model_dump_json())

    def live(self) -> list[WorkerRecord]:
        """Return the workers with a recent heartbeat."""
        now = time.time()
        # A heartbeat from later than now was given before the clock was set back.
        records = self._redis.zrangebyscore(keys.WORKERS, now - WORKER_TTL, now + WORKER_TTL)
        return [WorkerRecord.model_validate_json(record) for record in cast(list[bytes], records)]
