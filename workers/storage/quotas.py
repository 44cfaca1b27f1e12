"""The counts of quotas: the API charges a request, and a worker what the pages of a scan add."""

from __future__ import annotations

from functools import cached_property
from typing import cast

from limits import parse
from limits.storage import Storage, storage_from_string
from limits.strategies import SlidingWindowCounterRateLimiter
from redis import Redis

from settings import Settings
from workers.storage.connection import MOST_CONNECTIONS, TIMEOUTS
from workers.storage.keys import QUOTAS
from workers.storage.scans.records import Budget
from workers.storage.usage import UsageStore


def quota_storage(settings: Settings) -> Storage:
    """Open the storage of the counts.

    Raises:
        limits.errors.ConfigurationError: ``redis_url`` is not one of the library's.
    """
    storage = storage_from_string(
        str(settings.redis_url), **TIMEOUTS, max_connections=MOST_CONNECTIONS, key_prefix=QUOTAS
    )
    return cast(Storage, storage)


class Payer:
    """Charges the owners of scans for what the pages of their scans add.

    Args:
        settings: where the counts are.
        redis: a client that returns bytes.
    """

    def __init__(self, settings: Settings, redis: Redis) -> None:
        self._settings = settings
        self._usage = UsageStore(redis)

    @cached_property
    def _limiter(self) -> SlidingWindowCounterRateLimiter:
        return SlidingWindowCounterRateLimiter(quota_storage(self._settings))

    def charge(self, budget: Budget, urls: int, *, owner: str) -> bool:
        """Charge URLs; return False, and charge nothing, if fewer are left of the quota.

        Args:
            budget: who pays, and by which quota.
            urls: 0 or more.
            owner: the id of the API key; empty without one.
        """
        if urls and not self._limiter.hit(parse(budget.quota), budget.subject, cost=urls):
            return False
        if urls and owner:
            self._usage.count(owner, urls, requests=0)
        return True
