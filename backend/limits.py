"""Quotas: how many URLs a caller may have judged, counted in Redis for all API servers together.

The unit is the URL. A check costs one for each, and an upload one, of every quota; a lookup, which
judges nothing, costs one for each hundred URLs begun. A scan costs its URLs of the quotas of a day
alone, for the workers spread it over time. To ask again for what was paid is free.

The count slides: what was used in the window before wears off evenly while the present one passes.
Who asks for more than is left of a quota is refused, and pays none of it.
"""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from typing import cast

import structlog
from flask import Flask, Response, current_app, g, request
from flask_limiter import Limiter
from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerMinute, parse_many
from limits.storage.base import SlidingWindowCounterSupport
from werkzeug.exceptions import RequestEntityTooLarge, TooManyRequests

from backend.auth import caller
from settings import Settings
from workers.connect import MOST_CONNECTIONS, TIMEOUTS

DEFAULT_FOR_KEYS = "600/minute;100000/day"
"""What an API key may use if neither it nor `ASSAY_RATE_LIMIT` says otherwise: ten images a second,
about what two cores judge, and two scans of the largest size a day."""
LOOKUPS_FOR_ONE = 100
"""URLs that may be looked up for the price of one that is judged."""
HEADERS = ("RateLimit", "RateLimit-Policy")
_DAY = 24 * 3600

log = structlog.get_logger()


def charge(urls: int, *, at_once: bool = False) -> None:
    """Take URLs from the quotas of who sent this request; to be called before anything is queued.

    Args:
        urls: at least 1.
        at_once: whether somebody waits for them, so that the quotas of less than a day count too.

    Raises:
        werkzeug.exceptions.TooManyRequests: less is left of a quota.
        werkzeug.exceptions.RequestEntityTooLarge: so many can never be asked for together.
        redis.RedisError: the count cannot be reached.
    """
    limits: _Limits = current_app.extensions["assay.limits"]
    limits.charge(urls, at_once=at_once)


def price_of_lookup(urls: int) -> int:
    """Return what it costs to look up so many URLs."""
    return math.ceil(urls / LOOKUPS_FOR_ONE)


def register(app: Flask, settings: Settings) -> None:
    """Count what callers use, and tell them what is left."""
    app.extensions["assay.limits"] = _Limits(app, settings)

    @app.after_request
    def tell(answer: Response) -> Response:
        """Write the fields of draft-ietf-httpapi-ratelimit-headers-10.

        Flask-Limiter's own are of an older draft, tell of one quota, and overwrite Retry-After.
        """
        if left := g.get("quotas"):
            answer.headers["RateLimit-Policy"] = ", ".join(each.policy() for each in left)
            answer.headers["RateLimit"] = ", ".join(each.service_limit() for each in left)
        return answer


@dataclass(frozen=True)
class _Left:
    """What is left of a quota."""

    quota: RateLimitItem
    remaining: int
    """URLs."""
    more_in: int
    """Seconds until it is more."""

    def policy(self) -> str:
        name, window = _name(self.quota), self.quota.get_expiry()
        return f'"{name}";q={self.quota.amount};w={window};qu="urls"'

    def service_limit(self) -> str:
        return f'"{_name(self.quota)}";r={self.remaining};t={self.more_in}'


class _Limits:
    def __init__(self, app: Flask, settings: Settings) -> None:
        limiter = Limiter(
            key_func=_payer,
            app=app,
            storage_uri=settings.redis_url,
            storage_options={
                **TIMEOUTS,
                "max_connections": MOST_CONNECTIONS,
                "key_prefix": "assay:limit",
            },
            # The one strategy whose count a refused request leaves as it is, in two small keys.
            strategy="sliding-window-counter",
        )
        limiter.logger.setLevel(logging.WARNING)
        self._strategy = limiter.limiter
        self._counts = cast(SlidingWindowCounterSupport, limiter.storage)
        self._for_all = parse_many(settings.rate_limit) if settings.rate_limit else []
        self._for_keys = self._for_all or parse_many(DEFAULT_FOR_KEYS)

    def charge(self, urls: int, *, at_once: bool) -> None:
        payer = _payer()
        quotas = [q for q in self._quotas() if at_once or q.get_expiry() >= _DAY]
        for quota in quotas:
            if urls > quota.amount:
                raise RequestEntityTooLarge(
                    f"This asks for {urls:,} URLs at once; {_words(quota)} are allowed."
                )
        spent = [q for q in quotas if not self._strategy.test(q, payer, cost=urls)]
        if not spent:  # one that refuses must not cost the others anything
            spent = [q for q in quotas if not self._strategy.hit(q, payer, cost=urls)]
        g.quotas = [self._left(quota, payer) for quota in quotas]
        if spent:
            log.info("limited", caller=caller().id, quotas=[_name(q) for q in spent], urls=urls)
            raise TooManyRequests(
                f"{_words(spent[-1])} are allowed, and too few are left for these {urls:,}.",
                retry_after=max(self._pause(quota, payer, urls) for quota in spent),
            )

    def _quotas(self) -> list[RateLimitItem]:
        """Return the caller's quotas, the shortest first; a key's own replace the service's."""
        key = caller().key
        if key is None:
            return sorted(self._for_all)
        own: list[RateLimitItem] = []
        if key.per_minute is not None:
            own.append(RateLimitItemPerMinute(key.per_minute))
        if key.per_day is not None:
            own.append(RateLimitItemPerDay(key.per_day))
        replaced = {quota.get_expiry() for quota in own}
        return sorted([*own, *(q for q in self._for_keys if q.get_expiry() not in replaced)])

    def _left(self, quota: RateLimitItem, payer: str) -> _Left:
        stats = self._strategy.get_window_stats(quota, payer)
        return _Left(quota, stats.remaining, max(0, math.ceil(stats.reset_time - time.time())))

    def _pause(self, quota: RateLimitItem, payer: str, urls: int) -> int:
        """Return the seconds after which so many URLs are left, if none are used until then."""
        window = quota.get_expiry()
        before, before_left, now, now_left = self._counts.get_sliding_window(
            quota.key_for(payer), window
        )
        room = quota.amount - urls + 1  # what counts as used has to fall below this
        if now < room:
            seconds = before_left - (room - now) * window / before if before else 0.0
        else:  # the present window has to become the one before, and then to wear off
            seconds = now_left - room * window / now
        return max(0, math.floor(seconds)) + 1


def _payer() -> str:
    """Return what a count is kept for: a key, or an address of those who need none."""
    return caller().id or request.remote_addr or "unknown"


def _name(quota: RateLimitItem) -> str:
    return quota.GRANULARITY.name


def _words(quota: RateLimitItem) -> str:
    return f"{quota.amount:,} URLs a {_name(quota)}"
