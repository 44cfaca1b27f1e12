"""Explanations on their way from a worker to the API. Images never pass through Redis."""

from __future__ import annotations

import time
from typing import Literal

from pydantic import BaseModel, ConfigDict
from redis import Redis

from workers.storage import keys

OUTCOME_TTL = 60
"""Seconds for which an outcome waits for the API."""


class Outcome(BaseModel):
    """How making an explanation ended. The picture itself is a file beside the uploads."""

    model_config = ConfigDict(frozen=True)

    status: Literal["drawn", "changed", "failed"]
    """``changed``: the bytes are not those that the verdict is about."""
    detail: str = ""
    """Why it failed, as a sentence."""


class ExplanationStore:
    """The outcomes that the API waits for. Thread-safe.

    Args:
        redis: a client that returns bytes.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def finish(self, job_id: str, outcome: Outcome) -> None:
        """Tell the API how a job ended."""
        key = keys.explanation(job_id)
        with self._redis.pipeline() as pipe:
            pipe.rpush(key, outcome.model_dump_json())
            pipe.expire(key, OUTCOME_TTL)
            pipe.execute()

    def wait(self, job_id: str, deadline: float) -> Outcome | None:
        """Wait until a job ends, for a second at most; return None if it has not.

        Args:
            job_id: the job.
            deadline: do not wait for longer than until then (``time.monotonic``).
        """
        seconds = min(1.0, max(0.05, deadline - time.monotonic()))
        found = self._redis.blpop([keys.explanation(job_id)], timeout=seconds)
        return Outcome.model_validate_json(found[1]) if found else None
