"""Which scans exist: those that run, those that are to be deleted, and those of each owner."""

from __future__ import annotations

import time
from typing import cast

from redis import Redis

from workers.storage import keys
from workers.storage.scans.webhooks import WebhookStore

CREATION_TTL = 300
"""Seconds after which a scan that is being created, and no longer grows, counts as abandoned."""
_ID_LENGTH = 32


class ScanIndex:
    """The lists of scans. Thread-safe.

    A scan is in one of two lists: that of running scans, or that of deadlines, after which it is
    deleted. A complete scan is in its owner's list as well. There all scores are 0, so that Redis
    sorts by the text: the time of creation in microseconds, then the id. A page of a list of *n*
    costs O(log *n*). It starts where the page before it ended, even if that scan was deleted.

    Args:
        redis: a client that returns bytes.
        webhooks: the webhooks of all scans.
    """

    def __init__(self, redis: Redis, webhooks: WebhookStore) -> None:
        self._redis = redis
        self._webhooks = webhooks

    def creating(self, scan_id: str) -> None:
        """Note that the scan is being created."""
        self._redis.zadd(keys.SCAN_DEADLINES, {scan_id: time.time() + CREATION_TTL})

    def started(self, scan_id: str) -> None:
        """Note that the scan runs; it is the next to be served."""
        self._redis.zadd(keys.RUNNING_SCANS, {scan_id: 0}, nx=True)
        self._redis.zrem(keys.SCAN_DEADLINES, scan_id)

    def served(self, scan_id: str) -> None:
        """Note that the scan was served; the others come before it."""
        self._redis.zadd(keys.RUNNING_SCANS, {scan_id: time.time()}, xx=True)

    def ended(self, scan_id: str, expires_at: float) -> None:
        """Note that the scan has ended and when to delete it (Unix s); its webhook becomes due."""
        self._webhooks.scan_ended(scan_id)
        self._redis.zadd(keys.SCAN_DEADLINES, {scan_id: expires_at})
        self.stopped(scan_id)

    def stopped(self, scan_id: str) -> None:
        """Note that the scan does not run."""
        self._redis.zrem(keys.RUNNING_SCANS, scan_id)

    def delete_now(self, scan_id: str) -> None:
        """Note that the scan is being deleted, so that a sweep completes a deletion that failed."""
        self._redis.zadd(keys.SCAN_DEADLINES, {scan_id: 0})
        self.stopped(scan_id)

    def deleted(self, scan_id: str) -> None:
        """Note that the scan no longer exists."""
        self._redis.zrem(keys.SCAN_DEADLINES, scan_id)

    def running(self) -> list[str]:
        """Return the running scans, the one first that was served the longest ago."""
        return _texts(self._redis.zrange(keys.RUNNING_SCANS, 0, -1))

    def overdue(self) -> list[str]:
        """Return the scans whose deadline has passed."""
        return _texts(self._redis.zrangebyscore(keys.SCAN_DEADLINES, "-inf", time.time()))

    def list_for(self, owner: str, created_at: float, scan_id: str) -> None:
        """Put a scan into its owner's list, if it is not in it.

        Args:
            owner: the id of the caller.
            created_at: Unix s.
            scan_id: 32 hex digits.
        """
        self._redis.zadd(keys.scans_of(owner), {_position(created_at, scan_id): 0})

    def unlist_for(self, owner: str, created_at: float, scan_id: str) -> None:
        """Remove a scan from its owner's list."""
        self._redis.zrem(keys.scans_of(owner), _position(created_at, scan_id))

    def page_of(self, owner: str, before: str | None, count: int) -> tuple[list[str], str | None]:
        """Return the ids of an owner's scans, the newest first.

        Args:
            owner: the id of the caller.
            before: where the page starts, as returned with the page before it; None for the first.
            count: how many at most.

        Returns:
            The ids, and where the next page starts; None if there is none.
        """
        first = "+" if before is None else f"({before}"
        positions = _texts(
            self._redis.zrevrangebylex(keys.scans_of(owner), first, "-", start=0, num=count + 1)
        )
        following = positions[count - 1] if len(positions) > count else None
        return [position[-_ID_LENGTH:] for position in positions[:count]], following


def _position(created_at: float, scan_id: str) -> str:
    return f"{round(created_at * 1e6):016x}{scan_id}"


def _texts(raws: object) -> list[str]:
    return [raw.decode() for raw in cast(list[bytes], raws)]
