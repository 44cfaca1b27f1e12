"""Read scans and their results."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from redis import Redis
from redis.client import PubSub

from workers.storage import keys
from workers.storage.connection import subscription
from workers.storage.scans.index import ScanIndex
from workers.storage.scans.records import ScanResult, ScanSummary
from workers.storage.scans.webhooks import delivery_of


class ScanReader:
    """Reads scans. Thread-safe.

    Args:
        redis: a client that returns bytes.
        index: the lists of scans.
    """

    def __init__(self, redis: Redis, index: ScanIndex) -> None:
        self._redis = redis
        self._index = index

    def summary(self, scan_id: str) -> ScanSummary | None:
        """Return the progress of a scan, or None if there is no such scan."""
        return self._summaries([scan_id])[0]

    def summaries(
        self, owner: str, *, before: str | None = None, count: int
    ) -> tuple[list[ScanSummary], str | None]:
        """Return a page of an owner's scans, the newest first.

        Args:
            owner: the id of the caller.
            before: where the page starts, as returned with the page before it; None for the first.
            count: how many at most; fewer are returned where some were just deleted.

        Returns:
            The scans, and where the next page starts; None if there is none.
        """
        ids, following = self._index.page_of(owner, before, count)
        return [summary for summary in self._summaries(ids) if summary], following

    def _summaries(self, ids: Sequence[str]) -> list[ScanSummary | None]:
        """Read scans in one round trip; None for each that does not exist."""
        if not ids:
            return []
        with self._redis.pipeline(transaction=False) as pipe:
            for scan_id in ids:
                pipe.hgetall(keys.scan(scan_id))
                pipe.hgetall(keys.scan(scan_id, ":webhook"))
            states = cast(list[dict[bytes, bytes]], pipe.execute())
        return [
            ScanSummary.of(scan_id, raw, delivery_of(webhook) if webhook else None) if raw else None
            for scan_id, raw, webhook in zip(ids, states[::2], states[1::2], strict=True)
        ]

    def results(self, scan_id: str, *, start: int = 0, count: int) -> list[ScanResult]:
        """Return a page of the scan's items in the order of the request.

        Args:
            scan_id: the scan.
            start: the index of the first.
            count: how many at most; fewer are returned at the end only.
        """
        return self._results(scan_id, range(start, start + count))

    def finished(self, scan_id: str, *, start: int = 0, count: int) -> list[ScanResult]:
        """Return a page of the items that have a result, in the order in which they got it.

        Args:
            scan_id: the scan.
            start: the position of the first in that order, from 0.
            count: how many at most; fewer are returned if no more have finished yet.
        """
        if count <= 0:
            return []
        indexes = self._redis.lrange(keys.scan(scan_id, ":finished"), start, start + count - 1)
        return self._results(scan_id, [int(index) for index in cast(list[bytes], indexes)])

    def _results(self, scan_id: str, indexes: Sequence[int]) -> list[ScanResult]:
        if not indexes:
            return []
        fields = cast(Any, list(indexes))
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.hmget(keys.scan(scan_id, ":items"), fields)
            pipe.hmget(keys.scan(scan_id, ":results"), fields)
            items, results = cast(list[list[bytes | None]], pipe.execute())
        return [
            ScanResult.of(index, item, result)
            for index, item, result in zip(indexes, items, results, strict=True)
            if item is not None
        ]

    @contextmanager
    def listen(self, scan_id: str) -> Iterator[Listener]:
        """Listen for every change of the scan from now on."""
        with subscription(self._redis, [keys.scan(scan_id, ":changed")]) as pubsub:
            yield Listener(pubsub)


class Listener:
    """Receives a scan's changes. Created by `ScanReader.listen`."""

    def __init__(self, pubsub: PubSub) -> None:
        self._pubsub = pubsub

    def wait(self, deadline: float) -> bool:
        """Wait for a change; return False at the deadline (`time.monotonic`).

        Changes that came while nobody waited count as one.
        """
        while (left := deadline - time.monotonic()) > 0:
            # It returns None for a subscription's confirmation as well, hence the loop.
            if self._pubsub.get_message(timeout=left) is not None:
                while self._pubsub.get_message(timeout=0) is not None:
                    pass
                return True
        return False
