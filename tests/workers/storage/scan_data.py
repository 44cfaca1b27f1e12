"""Scans, items and results for the tests of scans."""

from __future__ import annotations

import time
from typing import cast

from redis import Redis

from models.errors import ErrorCode
from models.verdict import ItemError
from tests.workers.storage.test_verdict_cache import a_verdict
from workers.storage import keys
from workers.storage.scans import Scans
from workers.storage.scans.records import ScanItem
from workers.storage.verdict_cache import CacheEntry

A, B = "a" * 32, "b" * 32
OWNER = "key-1"
DEAD = ItemError(code=ErrorCode.CONNECT_FAILURE, detail="no answer")


def urls(count: int, host: str = "example.com") -> list[ScanItem]:
    return [ScanItem(f"https://{host}/{n}.jpg") for n in range(count)]


def make(scans: Scans, items: list[ScanItem], scan_id: str = A, force: bool = False) -> None:
    scans.creator.create(scan_id, owner=OWNER, force=force, items=items)


def judged() -> CacheEntry:
    return CacheEntry(at=time.time(), verdict=a_verdict())


def failed() -> CacheEntry:
    return CacheEntry(at=time.time(), error=DEAD)


def pass_time(redis: Redis, scan_id: str, seconds: float) -> None:
    """Make all times of the scan's items, as they lie in Redis, so much older."""
    todo = keys.scan(scan_id, ":todo")
    scores = cast(list[tuple[bytes, float]], redis.zrange(todo, 0, -1, withscores=True))
    for index, score in scores:
        if abs(score) > 1e9:  # a time, not a rank
            redis.zadd(todo, {index: score - seconds if score > 0 else score + seconds})
