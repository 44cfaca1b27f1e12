"""Items of checks and lookups: JSON objects, made without models of what the cache stores."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from models.errors import CheckError
from models.verdict import CheckItem
from workers.fetching.addresses import Network
from workers.fetching.urls import canonical_url
from workers.storage.verdict_cache import StoredEntry
from workers.telemetry.metrics import meter

Item = dict[str, Any]
"""The JSON object of a `CheckItem`, without fields that are None. Cached verdicts are stored like
this, so that a reply needs no models."""


def addresses_of(
    urls: Sequence[str], allow_nets: Sequence[Network]
) -> tuple[dict[str, str], dict[str, Item]]:
    """Return the address of each valid URL, and a failed item for each other URL.

    Args:
        urls: as clients wrote them.
        allow_nets: networks that may be fetched from although they are not public.
    """
    addresses: dict[str, str] = {}
    refused: dict[str, Item] = {}
    for url in urls:
        try:
            addresses[url] = canonical_url(url, allow_nets)
        except CheckError as error:
            refused[url] = CheckItem.failed(url, error).model_dump(mode="json", exclude_none=True)
    return addresses, refused


def item_of(url: str, entry: StoredEntry, *, cached: bool) -> Item:
    """Return the item of a URL with a cache entry."""
    if entry.verdict is None:
        return {"url": url, "status": "failed", "error": entry.error}
    return done(url, entry.verdict, cached=cached)


def done(url: str, verdict: dict[str, Any], *, cached: bool) -> Item:
    """Return the item of a URL with a verdict."""
    return {"url": url, "status": "done", "verdict": {**verdict, "cached": cached}}


def count_cached(call: str, cached: Collection[object | None]) -> None:
    """Count cache hits and misses."""
    hits = sum(each is not None for each in cached)
    for result, number in (("hit", hits), ("miss", len(cached) - hits)):
        if number:
            meter.count("cache_requests", number, call=call, result=result)
