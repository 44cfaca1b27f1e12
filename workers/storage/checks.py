"""What checks asked for, so that they can be answered again later."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from redis import Redis

from workers.scheduling.queues import Queue
from workers.storage import keys

CHECK_TTL = 3600
"""Seconds for which a check can be asked for by its id."""


class CheckRecord(BaseModel):
    """What a check asked for."""

    model_config = ConfigDict(frozen=True)

    urls: tuple[str, ...]
    created_at: float
    """Unix s."""
    owner: str = ""
    """The id of the API key that may ask for the check again; empty for a caller without one."""
    force: bool = False
    referer: str | None = None
    queue: Queue = "interactive"
    uploaded: bool = False
    """Whether the URLs are `upload_address`es. Such a URL from a client is just a bad URL."""


class CheckStore:
    """The checks of the last hour. Thread-safe.

    Args:
        redis: a client that returns bytes.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def save(self, check_id: str, record: CheckRecord) -> None:
        """Keep a check."""
        self._redis.set(keys.check(check_id), record.model_dump_json(), ex=CHECK_TTL)

    def get(self, check_id: str) -> CheckRecord | None:
        """Return a check, or None if it is unknown or too old."""
        raw = self._redis.get(keys.check(check_id))
        return CheckRecord.model_validate_json(raw) if raw else None
