"""API keys: random secrets, stored as hashes only, with their quotas and expiry.

A key is refused from the second at which it expires. It stays listed until it is revoked.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal, cast

from pydantic import BaseModel, ConfigDict, Field
from redis import Redis

from workers.storage.keys import API_KEYS
from workers.storage.paid_reads import KeyRecord

_FORM = re.compile(r"assay_([0-9a-f]{12})_[0-9a-f]{64}")
"""A fixed prefix and length, so that scanners for leaked secrets can find keys."""
MAX_NAME = 100
"""Characters in the name of a key."""

KeyState = Literal["valid", "expired"]


class KeyExpiredError(Exception):
    """A key has expired; the message is a sentence."""


class ApiKey(BaseModel):
    """A stored key, without its secret."""

    model_config = ConfigDict(frozen=True)

    id: str
    """Public; owns the jobs that were made with the key."""
    name: str = Field(min_length=1, max_length=MAX_NAME)
    """Whose key it is, or what it is for."""
    sha256: str
    """Of the whole secret."""
    created_at: float
    """Unix time."""
    per_minute: int | None = Field(default=None, ge=1)
    """Quota in URLs; None for the default."""
    per_day: int | None = Field(default=None, ge=1)
    """Quota in URLs; None for the default."""
    expires_at: float | None = None
    """Unix time from which the key is refused; None for never."""

    @property
    def state(self) -> KeyState:
        """Whether the key is valid now."""
        expired = self.expires_at is not None and self.expires_at <= time.time()
        return "expired" if expired else "valid"


class KeyStore:
    """Stores API keys.

    Args:
        redis: a client that returns bytes.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._found: dict[str, bytes] = {}
        """Records by id, of keys whose secret was sent to this process."""

    def create(
        self,
        name: str,
        *,
        per_minute: int | None = None,
        per_day: int | None = None,
        expires_at: float | None = None,
    ) -> tuple[ApiKey, str]:
        """Make a key; return it and its secret, which is not stored.

        Args:
            name: 1 to 100 characters; surrounding spaces are removed.
            per_minute: quota in URLs, instead of the default.
            per_day: quota in URLs, instead of the default.
            expires_at: Unix time from which the key is refused; None for never.

        Raises:
            pydantic.ValidationError: the name or a quota is invalid.
        """
        key_id = secrets.token_hex(6)
        secret = f"assay_{key_id}_{secrets.token_hex(32)}"
        key = ApiKey(
            id=key_id,
            name=name.strip(),
            sha256=_hash(secret),
            created_at=time.time(),
            per_minute=per_minute,
            per_day=per_day,
            expires_at=expires_at,
        )
        self._redis.hset(API_KEYS, key_id, key.model_dump_json())
        return key, secret

    def list(self) -> list[ApiKey]:
        """Return all keys, also expired ones, the oldest first."""
        raws = cast(dict[bytes, bytes], self._redis.hgetall(API_KEYS))
        keys = [ApiKey.model_validate_json(raw) for raw in raws.values()]
        return sorted(keys, key=lambda key: key.created_at)

    def revoke(self, key_id: str) -> bool:
        """Delete a key; return whether it existed."""
        return bool(self._redis.hdel(API_KEYS, key_id))

    def named(self, name_or_id: str) -> Sequence[ApiKey]:
        """Return the key with this id, else the valid keys with this name, else expired ones."""
        keys = self.list()
        if by_id := [key for key in keys if key.id == name_or_id]:
            return by_id
        by_name = [key for key in keys if key.name == name_or_id.strip()]
        return [key for key in by_name if key.state == "valid"] or by_name

    def find(self, secret: str) -> ApiKey | None:
        """Return the valid key with this secret; None if there is none.

        Raises:
            KeyExpiredError: the key has expired.
        """
        form = _FORM.fullmatch(secret)
        if form is None:
            return None
        raw = cast(bytes | None, self._redis.hget(API_KEYS, form[1]))
        if raw is None:
            self._found.pop(form[1], None)
            return None
        key = _parse(raw)
        if not _belongs(secret, key):
            return None
        if key.state == "expired":
            assert key.expires_at is not None  # noqa: S101
            raise KeyExpiredError(f"This API key expired on {format_time(key.expires_at)}.")
        self._found[key.id] = raw
        return key

    def recall(self, secret: str) -> tuple[ApiKey, KeyRecord] | None:
        """Return the key with this secret as this process last found it, without asking Redis.

        It may have been revoked since. Whoever uses it must make sure that its record is still the
        same (`PaidReads`).

        Returns:
            None if this process has not found it yet, or it has expired.
        """
        form = _FORM.fullmatch(secret)
        raw = self._found.get(form[1]) if form else None
        if raw is None:
            return None
        key = _parse(raw)
        if not _belongs(secret, key) or key.state == "expired":
            return None
        return key, KeyRecord(key.id, raw)


def _belongs(secret: str, key: ApiKey) -> bool:
    """Return whether a secret is a key's, in constant time: it must reveal nothing of the hash."""
    return hmac.compare_digest(key.sha256, _hash(secret))


@lru_cache(maxsize=1024)  # a key never changes
def _parse(raw: bytes) -> ApiKey:
    return ApiKey.model_validate_json(raw)


def format_time(unix: float) -> str:
    """Format a time by RFC 3339, in UTC and whole seconds."""
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _hash(secret: str) -> str:
    """Hash a secret once. It has 256 random bits, so no slow hash is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()
