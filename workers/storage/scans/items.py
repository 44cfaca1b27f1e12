"""Take the items of scans, and record their results."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from redis import Redis

from models.errors import CheckError, ErrorCode
from models.verdict import CheckItem, ItemError
from workers.fetching.urls import address_hash
from workers.storage import keys
from workers.storage.claims import LEASE
from workers.storage.scans import scripts
from workers.storage.scans.index import ScanIndex
from workers.storage.scans.records import (
    MOST_ITEMS,
    MOST_PAGES,
    Budget,
    Expected,
    PageImage,
    TakenItem,
    result_json,
)
from workers.storage.scans.scripts import LONGEST_DEFERRAL, script_args, script_keys
from workers.storage.verdict_cache import CacheEntry

_CANCELLED = CheckItem(
    url="",
    status="failed",
    error=ItemError(code=ErrorCode.CANCELLED, detail="The scan was cancelled before its turn."),
)
_TOO_MANY = CheckItem.failed(
    "",
    CheckError(
        ErrorCode.LEFT_OUT,
        f"Some of its images or pages were left out. A scan reads at most {MOST_PAGES:,} pages, "
        f"and has at most {MOST_ITEMS:,} images.",
    ),
)
_CHUNK = 1000
"""Items that are cancelled at once."""


class ScanItems:
    """The items of all scans, as workers see them. Thread-safe.

    Args:
        redis: a client that returns bytes.
        index: the lists of scans.
    """

    def __init__(self, redis: Redis, index: ScanIndex) -> None:
        self._redis = redis
        self._index = index
        self._take = redis.register_script(scripts.TAKE)
        self._record = redis.register_script(scripts.RECORD)
        self._expand = redis.register_script(scripts.EXPAND)
        self._renew = redis.register_script(scripts.RENEW)
        self._defer = redis.register_script(scripts.DEFER)
        self._prolong = redis.register_script(scripts.PROLONG)
        self._wake = redis.register_script(scripts.WAKE)

    def ready(self) -> int:
        """Return how many items can be taken now."""
        return sum(self._ready().values())

    def _ready(self) -> dict[str, int]:
        """Count the free items of each running scan, in the order in which scans are served."""
        now = time.time()
        ids = self._index.running()
        with self._redis.pipeline(transaction=False) as pipe:
            for scan_id in ids:
                todo = keys.scan(scan_id, ":todo")
                pipe.zcount(todo, -now, now)
                pipe.zcount(todo, now + LEASE + 1, "+inf")  # as in `TAKE`
                pipe.zcount(todo, "-inf", -now - LONGEST_DEFERRAL - 1)
            counts = pipe.execute() if ids else []
        return {scan_id: sum(counts[3 * n : 3 * n + 3]) for n, scan_id in enumerate(ids)}

    def take(self, count: int) -> list[TakenItem]:
        """Take items for `LEASE` seconds, from the scan that was served the longest ago.

        If that scan has too few, the next ones provide the rest. An item that is neither recorded,
        deferred nor renewed in time can be taken by another worker.
        """
        items: list[TakenItem] = []
        for scan_id, ready in self._ready().items():
            if len(items) == count:
                break
            if ready:
                taken = self._take_from(scan_id, count - len(items))
                items += taken if isinstance(taken, list) else []
                self._index.served(scan_id)
        return items

    def cancel_free(self, scan_id: str) -> None:
        """End the items of a cancelled scan that nobody has begun."""
        while self._take_from(scan_id, _CHUNK) == _CHUNK:
            pass

    def _take_from(self, scan_id: str, count: int) -> list[TakenItem] | int:
        """Take items of a running scan; end those of a cancelled one and return their number."""
        taken: Any = self._take(
            keys=script_keys(scan_id),
            args=[*script_args(scan_id), count, result_json(_CANCELLED), LEASE, LONGEST_DEFERRAL],
        )
        if taken is None:
            self._index.stopped(scan_id)
            return []
        state, since, created_at, expires_at, *rest = taken
        if state != b"running":
            if expires_at is not None:
                self._index.ended(scan_id, float(expires_at))
            return int(rest[0]) if rest else 0
        return [
            TakenItem.of(scan_id, int(index), item, float(since), float(created_at))
            for index, item in zip(rest[::2], rest[1::2], strict=True)
        ]

    def record(self, item: TakenItem, entry: CacheEntry) -> bool:
        """Record an item's result, unless it has one; return whether it had none."""
        verdict = entry.verdict
        if verdict is not None:
            verdict = verdict.model_copy(update={"cached": entry.at < item.created_at})
        status: Literal["done", "failed"] = "failed" if verdict is None else "done"
        result = CheckItem(url="", status=status, verdict=verdict, error=entry.error)
        label = verdict.label if verdict else ""
        recorded, expires_at = self._record(
            keys=script_keys(item.scan_id),
            args=[*script_args(item.scan_id), item.index, result_json(result), status, label],
        )
        if expires_at is not None:
            self._index.ended(item.scan_id, float(expires_at))
        return bool(recorded)

    def budget(self, scan_id: str) -> Budget | None:
        """Return what pays for the images of a scan of pages; None if nothing is counted."""
        raw = self._redis.hmget(keys.scan(scan_id), ["quota", "subject"])
        quota, subject = cast("list[bytes | None]", raw)
        return Budget(quota.decode(), subject.decode()) if quota and subject else None

    def expand(
        self,
        item: TakenItem,
        images: Sequence[PageImage],
        pages: Sequence[tuple[str, Expected]] = (),
        error: CheckError | None = None,
    ) -> None:
        """Replace a page by its images and by the pages that it lists, unless it has ended.

        Pages that the scan knows already are not added again. Nothing is added to a cancelled scan.

        Args:
            item: the page.
            images: its images.
            pages: canonical URLs, and what each may be.
            error: what to report of the page itself. If it is None and all fits into the scan, the
                page leaves no line.
        """
        hosts: Counter[str] = Counter()

        def item_and_rank(address: str, *more: str) -> tuple[str, int]:
            host = urlsplit(address).netloc
            hosts[host] += 1
            return json.dumps([address, address, item.custom_id, *more]), hosts[host]

        args: list[str | int] = []
        for image in images:
            args += item_and_rank(image.url, image.page, image.place)
        for address, expected in pages:
            args += [address_hash(address), *item_and_rank(address, expected)]
        own = result_json(CheckItem.failed("", error)) if error else ""
        expires_at = self._expand(
            keys=script_keys(item.scan_id),
            args=[
                *script_args(item.scan_id),
                *(item.index, MOST_ITEMS, MOST_PAGES),
                *(own, result_json(_TOO_MANY), result_json(_CANCELLED)),
                *(len(images), *args),
            ],
        )
        if expires_at is not None:
            self._index.ended(item.scan_id, float(expires_at))

    def renew(self, item: TakenItem) -> None:
        """Extend the lease of a taken item to `LEASE` seconds from now."""
        self._renew(keys=[keys.scan(item.scan_id, ":todo")], args=[item.index, LEASE])

    def defer(self, item: TakenItem, seconds: float) -> None:
        """Let nobody take the item for some seconds, `LONGEST_DEFERRAL` at most."""
        seconds = min(max(seconds, 0), LONGEST_DEFERRAL)
        self._defer(keys=[keys.scan(item.scan_id, ":todo")], args=[item.index, seconds])

    def prolong(self, item: TakenItem, seconds: float) -> None:
        """Defer the item for longer, if it is deferred and was not woken."""
        self._prolong(keys=[keys.scan(item.scan_id, ":todo")], args=[item.index, seconds])

    def wake(self, scan_id: str, index: int) -> bool:
        """Free a deferred item at once; return whether there was such an item."""
        return bool(self._wake(keys=[keys.scan(scan_id, ":todo")], args=[index]))
