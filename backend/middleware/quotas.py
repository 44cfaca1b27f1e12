"""Quotas: how many URLs a caller may have checked, counted in Redis for all API servers together.

The unit is the URL. A check costs one per URL and an upload costs one, of every quota. A lookup
costs one per 100 URLs, rounded up. A scan costs its number of URLs, of the quota with the longest
period only, because workers spread it over time. A scan of pages costs one for each page, and each
image and page that workers find in them costs one when it is found. Asking again for something
already paid is free.

A request that exceeds a quota is refused and costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache, partial

import structlog
from flask import Flask, Response, current_app, g, request
from werkzeug.exceptions import RequestEntityTooLarge, TooManyRequests

from backend.api_keys import ApiKey
from backend.middleware.auth import Caller, caller
from settings import Settings
from workers.storage.quotas import Charge, Quota, QuotaState, QuotaStore, parse_quotas
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


def register(app: Flask, settings: Settings, store: QuotaStore) -> Quotas:
    """Count what callers use, and report what is left in response headers."""
    app.extensions["assay.quotas"] = quotas = Quotas(settings, store)

    @app.after_request
    def set_headers(response: Response) -> Response:
        response.headers.update(quota_headers(g.get("quota_states", ())))
        return response

    return quotas


def quota_headers(states: Sequence[QuotaState]) -> list[tuple[str, str]]:
    """Return the fields of draft-ietf-httpapi-ratelimit-headers-10; none without quotas."""
    if not states:
        return []
    return [
        ("RateLimit-Policy", ", ".join(map(_policy, states))),
        ("RateLimit", ", ".join(map(_service_limit, states))),
    ]


class Quotas:
    """The quotas of callers.

    Args:
        settings: the quotas of callers whose key has none of its own.
        store: what was used.
    """

    def __init__(self, settings: Settings, store: QuotaStore) -> None:
        self._store = store
        self._default = parse_quotas(settings.rate_limit) if settings.rate_limit else []
        defaults = tuple(self._default or parse_quotas(DEFAULT_FOR_KEYS))
        self._of_key = lru_cache(maxsize=256)(partial(_replaced, defaults))

    def charge(self, urls: int, *, interactive: bool) -> None:
        """Charge the current caller; see `charge`."""
        quotas = self._of_caller() if interactive else self._of_caller()[-1:]
        for quota in quotas:
            if urls > quota.amount:
                raise RequestEntityTooLarge(
                    f"The request has {urls:,} URLs. At most {_text(quota)} are allowed."
                )
        g.quota_states = states = self._take(quotas, urls)
        if exceeded := [state for state in states if state.exceeded]:
            names = [state.quota.period for state in exceeded]
            log.info("quota_exceeded", caller=caller().id, quotas=names, urls=urls)
            raise TooManyRequests(
                f"{_text(exceeded[-1].quota)} are allowed. "
                f"Fewer are left than the {urls:,} requested.",
                retry_after=max(state.retry_after(urls) for state in exceeded),
            )

    def states(self) -> list[QuotaState]:
        """Return the current caller's; see `quota_states`."""
        return self._take(self._of_caller(), 0)

    def budget(self) -> Budget | None:
        """Return the current caller's; see `budget`."""
        quotas = self._of_caller()
        return Budget(str(quotas[-1]), _subject()) if quotas else None

    def _take(self, quotas: Sequence[Quota], urls: int) -> list[QuotaState]:
        if not quotas:
            return []
        is_key = caller().key is not None
        return self._store.take(Charge(_subject(), quotas, urls, is_key=is_key))

    def _of_caller(self) -> Sequence[Quota]:
        return self.of(caller().key)

    def of(self, key: ApiKey | None) -> Sequence[Quota]:
        """Return a caller's quotas, the shortest first; a key's own replace the defaults."""
        return self._of_key(key.per_minute, key.per_day) if key else self._default


def _replaced(
    defaults: tuple[Quota, ...], per_minute: int | None, per_day: int | None
) -> tuple[Quota, ...]:
    """Return quotas, some of which a key's own replace, the shortest first."""
    own = {"minute": per_minute, "day": per_day}
    replacing = [Quota(amount, period) for period, amount in own.items() if amount is not None]
    kept = [quota for quota in defaults if own.get(quota.period) is None]
    return tuple(sorted([*replacing, *kept], key=lambda quota: quota.window))


def _quotas() -> Quotas:
    found: Quotas = current_app.extensions["assay.quotas"]
    return found


def _subject() -> str:
    return subject(caller(), request.remote_addr)


def subject(of: Caller, address: str | None) -> str:
    """Return whose quotas are charged: an API key's id, or a client's address."""
    return of.id or address or "unknown"


def _text(quota: Quota) -> str:
    return f"{quota.amount:,} URLs a {quota.period}"


def _policy(state: QuotaState) -> str:
    """Write the quota as an item of the field `RateLimit-Policy`."""
    quota = state.quota
    return f'"{quota.period}";q={quota.amount};w={quota.window};qu="urls"'


def _service_limit(state: QuotaState) -> str:
    """Write the state as an item of the field `RateLimit`."""
    return f'"{state.quota.period}";r={state.remaining};t={state.reset}'
