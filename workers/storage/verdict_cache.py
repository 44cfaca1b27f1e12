"""The cache: address → cache entry, and content hash → verdict.

An image at a thousand addresses is classified once. A cache entry holds a copy of the verdict, so
that a lookup is one MGET.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
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
        found = self._unsealed([address_hash(address) for address in addresses])
        return [CacheEntry.model_validate(each) if each else None for each in found]

    def stored(self, addresses: Sequence[str]) -> list[StoredEntry | None]:
        """Return the cache entry of each address as it is stored, in order; see `lookup`."""
        return self._stored([address_hash(address) for address in addresses])

    def lookup_prefix(self, prefix: str) -> list[PrefixMatch]:
        """Return the verdicts of all URLs whose hash starts with a prefix, in order of the hashes.

        Args:
            prefix: 5 to 64 lower-case hex digits.
        """
        index = keys.prefix_index(self._version, prefix)
        members = cast(
            list[tuple[bytes, float]],
            self._redis.zrangebyscore(index, time.time(), "+inf", withscores=True),
        )
        scores = {m.hex(): score for m, score in members if m.hex().startswith(prefix)}
        hashes = sorted(scores)
        entries = dict(zip(hashes, self._stored(hashes), strict=True))
        if evicted := [digest for digest in hashes if entries[digest] is None]:
            # One that is found again meanwhile has a new score, and stays.
            pairs = [part for h in evicted for part in (bytes.fromhex(h), scores[h])]
            self._prune(keys=[index], args=pairs)
        return [
            PrefixMatch(digest, scores[digest], entry.verdict)
            for digest, entry in entries.items()
            if entry and entry.verdict
        ]

    def _stored(self, hashes: Sequence[str]) -> list[StoredEntry | None]:
        return [
            StoredEntry(found["at"], found.get("verdict"), found.get("error")) if found else None
            for found in self._unsealed(hashes)
        ]

    def _unsealed(self, hashes: Sequence[str]) -> list[dict[str, Any] | None]:
        if not hashes:
            return []
        raws = get_many(self._redis, [keys.entry(self._version, digest) for digest in hashes])
        return [unseal(raw, CacheEntry) for raw in raws]

    def verdict(self, sha256: str) -> Verdict | None:
        """Return the verdict of these bytes."""
        return self.verdicts([sha256])[0]

    def verdicts(self, sha256s: Sequence[str]) -> list[Verdict | None]:
        """Return the verdicts of some files' bytes, in order."""
        found = self.stored_verdicts(sha256s)
        return [Verdict.model_validate(each) if each else None for each in found]

    def stored_verdicts(self, sha256s: Sequence[str]) -> list[dict[str, Any] | None]:
        """Return the verdicts of some files' bytes as they are stored, in order."""
        if not sha256s:
            return []
        raws = get_many(self._redis, [keys.verdict(self._version, sha256) for sha256 in sha256s])
        return [unseal(raw, Verdict) for raw in raws]

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
