"""API keys: random secrets, of which only a hash is kept, and what each key may use."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from typing import cast

from pydantic import BaseModel, ConfigDict, Field
from redis import Redis

from settings import Settings
from workers.connect import connect

_KEYS = "assay:keys"
"""A hash: a key's id → `ApiKey` as JSON. It has no TTL, so Redis never evicts it."""
_FORM = re.compile(r"assay_([0-9a-f]{12})_[0-9a-f]{64}")
"""A fixed prefix and length: scanners for leaked secrets find it by this very expression."""


class ApiKey(BaseModel):
    """What is kept of a key: all but its secret."""

    model_config = ConfigDict(frozen=True)

    id: str
    """Public; names the owner of what was asked with the key."""
    name: str = Field(min_length=1, max_length=100)
    """For people: whose key it is, or what for."""
    sha256: str
    """Of the whole key."""
    created_at: float
    """Unix time."""
    per_minute: int | None = Field(default=None, ge=1)
    """URLs; None for the service's own limit."""
    per_day: int | None = Field(default=None, ge=1)
    """URLs; None for the service's own limit."""


class KeyStore:
    """The keys that are valid now.

    Args:
        redis: a client that returns bytes.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    @classmethod
    def open(cls, settings: Settings) -> KeyStore:
        """Connect (lazily) to the Redis that the settings name.

        Raises:
            ValueError: ``redis_url`` is not set.
        """
        if settings.redis_url is None:
            raise ValueError("ASSAY_REDIS_URL is not set")
        return cls(connect(settings.redis_url))

    def create(
        self, name: str, *, per_minute: int | None = None, per_day: int | None = None
    ) -> tuple[ApiKey, str]:
        """Make a key; return what is kept of it, and the key itself, which is not.

        Args:
            name: for people, 1 to 100 characters.
            per_minute: URLs, instead of the service's limit.
            per_day: URLs, instead of the service's limit.

        Raises:
            pydantic.ValidationError: the name or a limit cannot be.
        """
        key_id = secrets.token_hex(6)
        secret = f"assay_{key_id}_{secrets.token_hex(32)}"
        key = ApiKey(
            id=key_id,
            name=name,
            sha256=_hash(secret),
            created_at=time.time(),
            per_minute=per_minute,
            per_day=per_day,
        )
        self._redis.hset(_KEYS, key_id, key.model_dump_json())
        return key, secret

    def list(self) -> list[ApiKey]:
        """Return all keys, the oldest first."""
        raws = cast(dict[bytes, bytes], self._redis.hgetall(_KEYS))
        keys = [ApiKey.model_validate_json(raw) for raw in raws.values()]
        return sorted(keys, key=lambda key: key.created_at)

    def revoke(self, key_id: str) -> bool:
        """Make a key invalid at once; false if there is none of this id."""
        return bool(self._redis.hdel(_KEYS, key_id))

    def find(self, secret: str) -> ApiKey | None:
        """Return the valid key that this is, if it is one."""
        form = _FORM.fullmatch(secret)
        raw = cast(bytes | None, self._redis.hget(_KEYS, form[1])) if form else None
        if raw is None:
            return None
        key = ApiKey.model_validate_json(raw)
        # In constant time, so that the time of an answer tells nothing of the hash.
        return key if hmac.compare_digest(key.sha256, _hash(secret)) else None


def _hash(secret: str) -> str:
    """Hash a key once: nobody can try out 2²⁵⁶ secrets, as one could a person's passwords."""
    return hashlib.sha256(secret.encode()).hexdigest()
