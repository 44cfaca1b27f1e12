"""Usage per API key and UTC day: the hash `keys.usage` with ``requests`` and ``urls``.

A day has a time to live of a month, so a full Redis may evict it. No quota depends on these counts.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import cast

import structlog
from redis import Redis, RedisError

from workers.storage import keys
from workers.storage.keys import USAGE_DAYS

_TTL = (USAGE_DAYS + 1) * 24 * 3600

log = structlog.get_logger()


@dataclass(frozen=True)
class Day:
    """Usage of one key on one day.

    Args:
        day: in UTC.
        requests: accepted requests that cost something.
        urls: their cost, in the unit of the quotas.
    """

    day: date
    requests: int
    urls: int


class UsageStore:
    """Stores the usage of all keys.

    Args:
        redis: a client that returns bytes.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def count(self, key_id: str, urls: int, *, requests: int = 1) -> None:
        """Count an accepted request, or 0 of them and URLs. If Redis fails, this is only logged."""
        name = keys.usage(key_id, _today().isoformat())
        try:
            with self._redis.pipeline(transaction=False) as pipe:
                pipe.hincrby(name, "requests", requests)
                pipe.hincrby(name, "urls", urls)
                pipe.expire(name, _TTL)
                pipe.execute()
        except RedisError as error:
            log.warning("usage_not_counted", error=type(error).__name__)

    def days(self, key_id: str, count: int = USAGE_DAYS) -> list[Day]:
        """Return the usage of a key on the last days, today first.

        Raises:
            redis.RedisError: Redis cannot be reached.
        """
        days = [_today() - timedelta(days=n) for n in range(count)]
        with self._redis.pipeline(transaction=False) as pipe:
            for day in days:
                pipe.hmget(keys.usage(key_id, day.isoformat()), ["requests", "urls"])
            counts = cast("list[list[bytes | None]]", pipe.execute())
        return [
            Day(day, requests=int(requests or 0), urls=int(urls or 0))
            for day, (requests, urls) in zip(days, counts, strict=True)
        ]


def _today() -> date:
    return datetime.fromtimestamp(time.time(), UTC).date()
