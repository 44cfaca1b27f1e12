"""The cache: address → cache entry, and content hash → verdict.

An image at a thousand addresses is classified once. A cache entry holds a copy of the verdict, so
that a lookup is one MGET.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

from pydantic import BaseModel, ConfigDict
from redis import Redis

from models.verdict import ItemError, Verdict
from workers.fetching.urls import address_hash
from workers.storage import keys
from workers.storage.claims import end_claim
from workers.storage.connection import PRUNE, get_many
from workers.storage.sealed import seal, unseal

UPLOAD_SCHEME = "sha256:"


class CacheEntry(BaseModel):
    """What was last found at an address: a verdict, or an error."""

    model_config = ConfigDict(frozen=True)

    at: float
    """When it was found (Unix s)."""
    verdict: Verdict | None = None
    error: ItemError | None = None
    """One of the two is set."""
    etag: str | None = None
    last_modified: str | None = None


class StoredEntry(NamedTuple):
    """A cache entry as it is stored, for replies."""

    at: float
    """When it was found (Unix s)."""
    verdict: dict[str, Any] | None
    """The JSON object of a `Verdict`, without fields that are None."""
    error: dict[str, Any] | None
    """The JSON object of an `ItemError`."""


class PrefixMatch(NamedTuple):
    """The verdict of a URL of which only the hash is disclosed."""

    hash: str
    expires_at: float
    """Unix s."""
    verdict: dict[str, Any]
    """See `StoredEntry`."""


def stored_entry(raw: bytes | None) -> StoredEntry | None:
    """Return a cache entry as it is stored; None if there is none or it is not valid."""
    found = unseal(raw, CacheEntry)
    return StoredEntry(found["at"], found.get("verdict"), found.get("error")) if found else None


def upload_address(sha256: str) -> str:
    """Return the address under which uploaded bytes are checked."""
    return UPLOAD_SCHEME + sha256


class VerdictCache:
    """The cache entries and verdicts of one model version. Thread-safe.

    Args:
        redis: a client that returns bytes.
        model_version: only verdicts of this version are seen.
        verdict_ttl: seconds that verdicts, and entries with one, are kept.
        failure_ttl: seconds that entries with an error are kept.

    Attributes:
        verdict_ttl: the one given, in seconds.
    """

    def __init__(
        self, redis: Redis, model_version: str, *, verdict_ttl: int, failure_ttl: int
    ) -> None:
        self._redis = redis
        self._version = model_version
        self.verdict_ttl = verdict_ttl
        self._failure_ttl = failure_ttl
        self._prune = redis.register_script(PRUNE)

    def lookup(self, addresses: Sequence[str]) -> list[CacheEntry | None]:
        """Return the cache entry of each address, in order; None if it has no valid one."""
        raws = self.read(self.entry_keys(addresses))
        found = [unseal(raw, CacheEntry) for raw in raws]
        return [CacheEntry.model_validate(each) if each else None for each in found]

    def stored(self, addresses: Sequence[str]) -> list[StoredEntry | None]:
        """Return the cache entry of each address as it is stored, in order; see `lookup`."""
        return [stored_entry(raw) for raw in self.read(self.entry_keys(addresses))]

    def lookup_prefix(self, prefix: str) -> list[PrefixMatch]:
        """Return the verdicts of all URLs whose hash starts with a prefix, in order of the hashes.

        Args:
            prefix: 5 to 64 lower-case hex digits.
        """
        members = cast(
            list[tuple[bytes, float]],
            self._redis.zrangebyscore(
                keys.prefix_index(self._version, prefix), time.time(), "+inf", withscores=True
            ),
        )
        scores = {m.hex(): score for m, score in members if m.hex().startswith(prefix)}
        raws = self.read([keys.entry(self._version, digest) for digest in scores])
        found = zip(scores, scores.values(), raws, strict=True)
        return self.matches(prefix, list(found))

    def matches(
        self, prefix: str, found: Sequence[tuple[str, float, bytes | None]]
    ) -> list[PrefixMatch]:
        """Return the verdicts that were found for a prefix, in order of the hashes.

        Args:
            prefix: of the hashes.
            found: what the index has: hash, when it expires (Unix s), and the stored cache entry;
                None if it was evicted.
        """
        entries = [(digest, score, stored_entry(raw)) for digest, score, raw in sorted(found)]
        if evicted := [each for each in entries if each[2] is None]:
            # One that is found again meanwhile has a new score, and stays.
            pairs = [part for h, score, _ in evicted for part in (bytes.fromhex(h), score)]
            self._prune(keys=[keys.prefix_index(self._version, prefix)], args=pairs)
        return [
            PrefixMatch(digest, score, entry.verdict)
            for digest, score, entry in entries
            if entry and entry.verdict
        ]

    def verdict(self, sha256: str) -> Verdict | None:
        """Return the verdict of these bytes."""
        return self.verdicts([sha256])[0]

    def verdicts(self, sha256s: Sequence[str]) -> list[Verdict | None]:
        """Return the verdicts of some files' bytes, in order."""
        found = [unseal(raw, Verdict) for raw in self.read(self.verdict_keys(sha256s))]
        return [Verdict.model_validate(each) if each else None for each in found]

    def entry_keys(self, addresses: Iterable[str]) -> list[str]:
        """Return the keys of the cache entries of addresses; `stored_entry` reads their values."""
        return [keys.entry(self._version, address_hash(address)) for address in addresses]

    def verdict_keys(self, sha256s: Iterable[str]) -> list[str]:
        """Return the keys of the verdicts of some files' bytes, sealed as `Verdict`."""
        return [keys.verdict(self._version, sha256) for sha256 in sha256s]

    def read(self, names: Sequence[str]) -> list[bytes | None]:
        """Return the values of keys, in order."""
        return get_many(self._redis, names) if names else []

    def save_verdict(self, verdict: Verdict, pipe: Redis | None = None) -> None:
        """Save the verdict of its bytes, at once or as a step of a pipeline."""
        self._set_verdict(self._redis if pipe is None else pipe, verdict)

    def save_entry(self, address: str, entry: CacheEntry) -> CacheEntry:
        """Save the entry of an address, end the address's job, and notify those who wait for it.

        An entry with an error is kept for a short time only. A verdict is saved as `cached`.

        Returns:
            The entry. Its verdict expires when the keys do, a full lifetime from now.
        """
        digest = address_hash(address)
        key = keys.entry(self._version, digest)
        index, member = keys.prefix_index(self._version, digest), bytes.fromhex(digest)
        now = time.time()
        if entry.verdict:
            entry = entry.model_copy(update={"verdict": self._renewed(entry.verdict, now)})
        with self._redis.pipeline() as pipe:
            if entry.verdict:
                cached = entry.verdict.model_copy(update={"cached": True})
                stored = entry.model_copy(update={"verdict": cached})
                pipe.set(key, seal(stored), ex=self.verdict_ttl)
                # Bytes seen again keep their verdict as long as the address that leads to them.
                self._set_verdict(pipe, entry.verdict)
                if not address.startswith(UPLOAD_SCHEME):
                    pipe.zadd(index, {member: round(now + self.verdict_ttl, 3)})
                    pipe.zremrangebyscore(index, "-inf", now)
                    pipe.expire(index, self.verdict_ttl)
            else:
                pipe.set(key, seal(entry), ex=self._failure_ttl)
                pipe.zrem(index, member)
            end_claim(pipe, self._version, address)
            pipe.execute()
        return entry

    def _renewed(self, verdict: Verdict, now: float) -> Verdict:
        expires_at = datetime.fromtimestamp(now + self.verdict_ttl, UTC)
        return verdict.model_copy(update={"expires_at": expires_at})

    def _set_verdict(self, redis: Redis, verdict: Verdict) -> None:
        new = verdict.model_copy(update={"cached": False})
        key = keys.verdict(self._version, verdict.image.sha256)
        redis.set(key, seal(new), ex=self.verdict_ttl)
