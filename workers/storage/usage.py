"""Usage per API key and UTC day: the hash `keys.usage` with ``requests`` and ``urls``.

`quotas` counts it together with the quotas. A day has a time to live of a month, so a full Redis
may evict it. No quota depends on these counts.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import cast

from redis import Redis

from workers.storage import keys
from workers.storage.keys import USAGE_DAYS

USAGE_TTL = (USAGE_DAYS + 1) * 24 * 3600
"""Seconds for which a day is kept."""


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
    """Reads the usage of all keys.

    Args:
        redis: a client that returns bytes.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def days(self, key_id: str, count: int = USAGE_DAYS) -> list[Day]:
        """Return the usage of a key on the last days, today first.

        Raises:
            redis.RedisError: Redis cannot be reached.
        """
        days = [today() - timedelta(days=n) for n in range(count)]
        with self._redis.pipeline(transaction=False) as pipe:
            for day in days:
                pipe.hmget(keys.usage(key_id, day.isoformat()), ["requests", "urls"])
            counts = cast("list[list[bytes | None]]", pipe.execute())
        return [
            Day(day, requests=int(requests or 0), urls=int(urls or 0))
            for day, (requests, urls) in zip(days, counts, strict=True)
        ]


def today() -> date:
    """Return the current day in UTC."""
    return datetime.fromtimestamp(time.time(), UTC).date()
