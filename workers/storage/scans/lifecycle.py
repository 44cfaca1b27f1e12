"""Cancel, delete and sweep scans."""

from __future__ import annotations

import time
from typing import cast

from redis import Redis

from workers.storage import keys
from workers.storage.scans import scripts
from workers.storage.scans.index import ScanIndex
from workers.storage.scans.items import ScanItems
from workers.storage.scans.reading import ScanReader
from workers.storage.scans.records import ScanSummary
from workers.storage.scans.webhooks import WebhookStore


class ScanLifecycle:
    """Ends scans. Thread-safe.

    Args:
        redis: a client that returns bytes.
        index: the lists of scans.
        reader: reads scans.
        items: the items of all scans.
        webhooks: the webhooks of all scans.
    """

    def __init__(
        self,
        redis: Redis,
        index: ScanIndex,
        reader: ScanReader,
        items: ScanItems,
        webhooks: WebhookStore,
    ) -> None:
        self._redis = redis
        self._index = index
        self._reader = reader
        self._items = items
        self._webhooks = webhooks
        self._cancel = redis.register_script(scripts.CANCEL)

    def running(self) -> int:
        """Return how many scans run."""
        return int(self._redis.zcard(keys.RUNNING_SCANS))

    def cancel(self, scan_id: str) -> ScanSummary | None:
        """End the items that nobody has begun; return the scan's progress, if it exists.

        Items under way still get their results. The scan has a ``finished_at`` only after that.
        """
        self._cancel(keys=[keys.scan(scan_id)], args=[keys.scan(scan_id, ":changed")])
        self._items.cancel_free(scan_id)
        return self._reader.summary(scan_id)

    def delete(self, scan_id: str) -> None:
        """Delete a scan, complete or not, and its idempotency key."""
        self._index.delete_now(scan_id)
        if summary := self._reader.summary(scan_id):
            self._index.unlist_for(summary.owner, summary.created_at, scan_id)
        if name := cast(bytes | None, self._redis.get(keys.scan(scan_id, ":key"))):
            self._redis.unlink(name)
        self._webhooks.drop(scan_id)
        self._redis.unlink(*(keys.scan(scan_id, part) for part in keys.SCAN_PARTS))
        self._index.deleted(scan_id)

    def sweep(self) -> None:
        """Delete expired and abandoned scans, and repair the lists of scans."""
        overdue = self._index.overdue()
        for scan_id in [*overdue, *self._index.running()]:
            summary = self._reader.summary(scan_id)
            expires_at = summary.expires_at if summary else None
            if summary is None or (expires_at is not None and expires_at <= time.time()):
                self.delete(scan_id)
                continue
            if scan_id in overdue:
                self._index.list_for(summary.owner, summary.created_at, scan_id)
            if expires_at is not None:
                self._index.ended(scan_id, expires_at)
            elif scan_id in overdue:
                self._index.started(scan_id)
