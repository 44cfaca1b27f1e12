"""Quotas: how many URLs a caller may have checked, counted in Redis for all API servers together.

The unit is the URL. A check costs one per URL and an upload costs one, of every quota. A lookup
costs one per 100 URLs, rounded up. A scan costs its number of URLs, of the quota with the longest
period only, because workers spread it over time. A scan of pages costs one for each page, and each
image and page that workers find in them costs one when it is found. Asking again for something
already paid is free.

The count is a sliding window counter: usage of the previous window fades out linearly during the
current one. A request that exceeds a quota is refused and costs nothing.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import cast

import structlog
from flask import Flask, Response, current_app, g, request
from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerMinute, parse_many
from limits.storage.base import SlidingWindowCounterSupport
from limits.strategies import SlidingWindowCounterRateLimiter
from werkzeug.exceptions import RequestEntityTooLarge, TooManyRequests

from backend.middleware.auth import caller
from backend.services import services
from settings import Settings
from workers.storage.quotas import quota_storage
from workers.storage.scans.records import Budget

DEFAULT_FOR_KEYS = "600/minute;100000/day"
"""The quotas of an API key if neither the key nor `ASSAY_RATE_LIMIT` sets any: ten images a second,
which is about what two cores classify, and two scans of the largest size a day."""
LOOKUPS_FOR_ONE = 100
"""Looked-up URLs that cost as much as one checked URL."""
HEADERS = ("RateLimit", "RateLimit-Policy")

log = structlog.get_logger()


def charge(urls: int, *, interactive: bool = False) -> None:
    """Take URLs from the quotas of the current caller. Call this before queueing anything.

    Args:
        urls: at least 1.
        interactive: whether a client waits for them. If not, only the quota with the longest period
            counts.

    Raises:
        werkzeug.exceptions.TooManyRequests: less is left of a quota.
        werkzeug.exceptions.RequestEntityTooLarge: the number exceeds a whole quota.
        redis.RedisError: Redis cannot be reached.
    """
    _quotas().charge(urls, interactive=interactive)
    if caller().key is not None:
        services().usage.count(caller().id, urls)


def quota_states() -> list[QuotaState]:
    """Return the state of each quota of the current caller, the shortest period first.

    Raises:
        redis.RedisError: Redis cannot be reached.
    """
    return _quotas().states()


def budget() -> Budget | None:
    """Return what pays for the images that workers find on the current caller's pages.

    Returns:
        The caller's quota with the longest period; None if the caller has none.
    """
    return _quotas().budget()


def lookup_cost(urls: int) -> int:
    """Return the cost of a lookup of this many URLs."""
    return math.ceil(urls / LOOKUPS_FOR_ONE)


def register(app: Flask, settings: Settings) -> None:
    """Count what callers use, and report what is left in response headers."""
    app.extensions["assay.quotas"] = _Quotas(settings)

    @app.after_request
    def set_headers(response: Response) -> Response:
        """Write the fields of draft-ietf-httpapi-ratelimit-headers-10."""
        if states := g.get("quota_states"):
            response.headers["RateLimit-Policy"] = ", ".join(each.policy() for each in states)
            response.headers["RateLimit"] = ", ".join(each.service_limit() for each in states)
        return response


@dataclass(frozen=True)
class QuotaState:
    """What is left of a quota."""

    quota: RateLimitItem
    remaining: int
    """URLs."""
    reset: int
    """Seconds until more is left."""

    @property
    def name(self) -> str:
        """The period of the quota: ``minute``, ``day``."""
        return _name(self.quota)

    def policy(self) -> str:
        """Write the quota as an item of the field `RateLimit-Policy`."""
        window = self.quota.get_expiry()
        return f'"{self.name}";q={self.quota.amount};w={window};qu="urls"'

    def service_limit(self) -> str:
        """Write the state as an item of the field `RateLimit`."""
        return f'"{self.name}";r={self.remaining};t={self.reset}'


class _Quotas:
    def __init__(self, settings: Settings) -> None:
        storage = quota_storage(settings)
        # The only strategy that needs two small keys and does not count refused requests.
        self._limiter = SlidingWindowCounterRateLimiter(storage)
        self._storage = cast(SlidingWindowCounterSupport, storage)
        self._default = parse_many(settings.rate_limit) if settings.rate_limit else []
        self._default_for_keys = self._default or parse_many(DEFAULT_FOR_KEYS)

    def charge(self, urls: int, *, interactive: bool) -> None:
        subject = _subject()
        quotas = self._of_caller() if interactive else self._of_caller()[-1:]
        for quota in quotas:
            if urls > quota.amount:
                raise RequestEntityTooLarge(
                    f"The request has {urls:,} URLs. At most {_text(quota)} are allowed."
                )
        # Test all first: a quota that refuses must not cost the others anything.
        exceeded = [q for q in quotas if not self._limiter.test(q, subject, cost=urls)]
        if not exceeded:
            exceeded = [q for q in quotas if not self._limiter.hit(q, subject, cost=urls)]
        g.quota_states = [self._state(quota, subject) for quota in quotas]
        if exceeded:
            names = [_name(quota) for quota in exceeded]
            log.info("quota_exceeded", caller=caller().id, quotas=names, urls=urls)
            raise TooManyRequests(
                f"{_text(exceeded[-1])} are allowed. Fewer are left than the {urls:,} requested.",
                retry_after=max(self._retry_after(quota, subject, urls) for quota in exceeded),
            )

    def states(self) -> list[QuotaState]:
        return [self._state(quota, _subject()) for quota in self._of_caller()]

    def budget(self) -> Budget | None:
        quotas = self._of_caller()
        return Budget(str(quotas[-1]), _subject()) if quotas else None

    def _of_caller(self) -> list[RateLimitItem]:
        """Return the caller's quotas, the shortest first; a key's own replace the defaults."""
        key = caller().key
        if key is None:
            return sorted(self._default)
        own: list[RateLimitItem] = []
        if key.per_minute is not None:
            own.append(RateLimitItemPerMinute(key.per_minute))
        if key.per_day is not None:
            own.append(RateLimitItemPerDay(key.per_day))
        replaced = {quota.get_expiry() for quota in own}
        return sorted(
            [*own, *(q for q in self._default_for_keys if q.get_expiry() not in replaced)]
        )

    def _state(self, quota: RateLimitItem, subject: str) -> QuotaState:
        stats = self._limiter.get_window_stats(quota, subject)
        return QuotaState(quota, stats.remaining, max(0, math.ceil(stats.reset_time - time.time())))

    def _retry_after(self, quota: RateLimitItem, subject: str, urls: int) -> int:
        """Return the seconds until this many URLs are left, if none are used until then."""
        window = quota.get_expiry()
        previous, previous_ttl, current, current_ttl = self._storage.get_sliding_window(
            quota.key_for(subject), window
        )
        room = quota.amount - urls + 1  # the weighted count must fall below this
        if current < room:
            seconds = previous_ttl - (room - current) * window / previous if previous else 0.0
        else:  # the current window must become the previous one, and then fade
            seconds = current_ttl - room * window / current
        return max(0, math.floor(seconds)) + 1


def _quotas() -> _Quotas:
    found: _Quotas = current_app.extensions["assay.quotas"]
    return found


def _subject() -> str:
    """Return the key of the count: an API key's id, or the client's address."""
    return caller().id or request.remote_addr or "unknown"


def _name(quota: RateLimitItem) -> str:
    return quota.GRANULARITY.name


def _text(quota: RateLimitItem) -> str:
    return f"{quota.amount:,} URLs a {_name(quota)}"
