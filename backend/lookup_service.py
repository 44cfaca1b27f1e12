"""Lookups: which keys of the cache to read, and the JSON that follows from their values.

The two are apart, so that the keys can be read together with what else a request needs of Redis.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

import orjson
from orjson import OPT_UTC_Z

from backend.items import Item, addresses_of, count_cached, done, item_of
from models.verdict import Verdict
from workers.fetching.addresses import Network
from workers.storage.sealed import unseal
from workers.storage.verdict_cache import (
    PrefixMatch,
    VerdictCache,
    stored_entry,
    upload_address,
)

MAX_AGE = 300
"""Seconds for which caches may keep a prefix's response (RFC 9111)."""


class Lookup:
    """A lookup of URLs, and of files by their SHA-256.

    Args:
        cache: the verdicts.
        urls: as clients wrote them.
        sha256s: in lower-case hex.
        allow_nets: networks that may be fetched from although they are not public.

    Attributes:
        names: the keys to read.
    """

    def __init__(
        self,
        cache: VerdictCache,
        urls: Sequence[str],
        sha256s: Sequence[str],
        allow_nets: Sequence[Network],
    ) -> None:
        self._urls, self._sha256s = urls, sha256s
        self._addresses, self._refused = addresses_of(urls, allow_nets)
        self._unique = list(dict.fromkeys(self._addresses.values()))
        self.names = [*cache.entry_keys(self._unique), *cache.verdict_keys(sha256s)]

    def body(self, values: Sequence[bytes | None]) -> bytes:
        """Return the reply: URLs first, then files, each in the order of the request.

        Args:
            values: those of `names`, in order.
        """
        count = len(self._unique)
        entries = dict(zip(self._unique, map(stored_entry, values[:count]), strict=True))
        verdicts = [unseal(raw, Verdict) for raw in values[count:]]
        count_cached("lookup", [*entries.values(), *verdicts])

        def item(url: str) -> Item:
            if url in self._refused:
                return self._refused[url]
            entry = entries[self._addresses[url]]
            return item_of(url, entry, cached=True) if entry else _unknown(url)

        def item_of_bytes(sha256: str, verdict: Item | None) -> Item:
            url = upload_address(sha256)
            return done(url, verdict, cached=True) if verdict else _unknown(url)

        files = map(item_of_bytes, self._sha256s, verdicts)
        return orjson.dumps({"status": "done", "items": [*map(item, self._urls), *files]})


def _unknown(url: str) -> Item:
    return {"url": url, "status": "unknown"}


def prefix_body(prefix: str, matches: Sequence[PrefixMatch]) -> bytes:
    """Return the reply to a lookup by prefix."""
    body = {"prefix": prefix, "verdicts": [_hashed(match) for match in matches]}
    return orjson.dumps(body, option=OPT_UTC_Z)


def prefix_headers(body: bytes, *, has_key: bool) -> list[tuple[str, str]]:
    """Return the headers of a reply to a lookup by prefix, for caches."""
    # A response to a request with a key is not for requests without one (RFC 9111, 3.5).
    return [
        ("Cache-Control", f"{'private' if has_key else 'public'}, max-age={MAX_AGE}"),
        ("Vary", "Origin"),  # the CORS headers depend on it, even if there are none
        ("ETag", f'"{hashlib.sha256(body).hexdigest()[:32]}"'),
    ]


def _hashed(match: PrefixMatch) -> dict[str, object]:
    """Return the JSON object of a `HashedVerdict`."""
    names = ("label", "probability", "decided_by", "model_version", "checked_at")
    return {
        "hash": match.hash,
        **{name: match.verdict[name] for name in names},
        "expires_at": datetime.fromtimestamp(match.expires_at, UTC),
    }
