"""Create scans."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, cast
from urllib.parse import urlsplit

from redis import Redis

from models.errors import CheckError
from models.verdict import CheckItem
from workers.fetching.addresses import Network
from workers.fetching.urls import address_hash, canonical_url
from workers.storage import keys
from workers.storage.scans.index import ScanIndex
from workers.storage.scans.reading import ScanReader
from workers.storage.scans.records import (
    Budget,
    Expected,
    Kind,
    Request,
    ScanItem,
    ScanSummary,
    Webhook,
    result_json,
)
from workers.storage.scans.scripts import SCAN_RESULTS_TTL
from workers.storage.scans.webhooks import WebhookStore

_CHUNK = 1000
"""Items that are written at once."""


class ScanLostError(Exception):
    """The scan was swept while it was being created, because its items came too slowly."""


class ScanCreator:
    """Creates scans. Thread-safe.

    Args:
        redis: a client that returns bytes.
        index: the lists of scans.
        reader: reads scans.
        webhooks: the webhooks of all scans.
        revalidate_after: seconds for which a scan trusts that a URL still shows the same image.
        allow_nets: networks that may be fetched from although they are not public.
    """

    def __init__(
        self,
        redis: Redis,
        index: ScanIndex,
        reader: ScanReader,
        webhooks: WebhookStore,
        *,
        revalidate_after: int,
        allow_nets: Sequence[Network],
    ) -> None:
        self._redis = redis
        self._index = index
        self._reader = reader
        self._webhooks = webhooks
        self._revalidate_after = revalidate_after
        self._allow_nets = allow_nets

    def claim_key(self, owner: str, key: str, fingerprint: str, scan_id: str) -> Request | None:
        """Claim an owner's idempotency key for the scan that is about to be created.

        The claim holds until the scan is deleted, at its age or because it was never completed.

        Args:
            owner: the id of the caller.
            key: the key, as the caller sent it.
            fingerprint: tells this request from others with the same key.
            scan_id: the scan that is created if the key is new.

        Returns:
            None if the key is new; else the request that it stands for.
        """
        name = keys.idempotency(owner, key)
        self._index.creating(scan_id)
        self._redis.set(keys.scan(scan_id, ":key"), name)
        if self._redis.set(name, json.dumps([scan_id, fingerprint]), nx=True):
            return None
        raw = cast(bytes | None, self._redis.get(name))
        if raw is None:  # deleted just now
            return self.claim_key(owner, key, fingerprint, scan_id)
        request = Request(*json.loads(raw))
        if request.scan_id == scan_id:  # our own claim, whose reply was lost
            return None
        self._redis.unlink(keys.scan(scan_id, ":key"))
        self._index.deleted(scan_id)
        return request

    def create(
        self,
        scan_id: str,
        *,
        owner: str,
        force: bool,
        items: Iterable[ScanItem],
        kind: Kind = "images",
        budget: Budget | None = None,
        webhook: Webhook | None = None,
    ) -> ScanSummary:
        """Create a scan of the items; it becomes visible when all are written.

        URLs that can never be fetched have failed when it starts. If the items' iterator raises,
        deleting the scan removes what was written. If nobody does, a sweep does it later.

        Args:
            scan_id: new, 32 hex digits.
            owner: the id of the caller.
            force: whether to fetch again what is cached already.
            items: read once, some at a time.
            kind: what their URLs are.
            budget: what pays for the images of pages; None if nothing is counted.
            webhook: where the scan's end is reported.

        Raises:
            ScanLostError: the items came so slowly that the scan counted as abandoned.
            redis.exceptions.OutOfMemoryError: Redis is full.
        """
        created_at = time.time()
        self._index.creating(scan_id)
        ranks: Counter[str] = Counter()
        refused: list[int] = []
        total = 0
        remaining = iter(items)
        while chunk := list(islice(remaining, _CHUNK)):
            if kind == "pages":
                refused += self._write_pages(scan_id, total, len(refused), chunk, ranks)
            else:
                refused += self._write(scan_id, total, chunk, ranks)
            total += len(chunk)
            self._index.creating(scan_id)
        if self._redis.hlen(keys.scan(scan_id, ":items")) != total:
            raise ScanLostError(scan_id)
        since = created_at - (0 if force else self._revalidate_after)
        state = {"owner": owner, "force": int(force), "created_at": created_at, "since": since}
        if kind == "pages":
            left = total - len(refused)
            state |= {"kind": kind, "pages": total, "pages_left": left, "next": len(refused)}
            if budget is not None:
                state |= {"quota": budget.quota, "subject": budget.subject}
        self._complete(scan_id, {**state, "total": total}, refused, webhook)
        self._index.list_for(owner, created_at, scan_id)
        if len(refused) == total:
            self._index.ended(scan_id, created_at + SCAN_RESULTS_TTL)
        else:
            self._index.started(scan_id)
        summary = self._reader.summary(scan_id)
        if summary is None:
            raise ScanLostError(scan_id)
        return summary

    def _write(
        self, scan_id: str, start: int, chunk: Sequence[ScanItem], ranks: Counter[str]
    ) -> list[int]:
        """Write some items; return the indexes of those that can never be fetched."""
        items: dict[int, str] = {}
        todo: dict[int, int] = {}
        results: dict[int, str] = {}
        for index, (url, custom_id) in enumerate(chunk, start):
            address = None
            try:
                address = canonical_url(url, self._allow_nets)
            except CheckError as error:
                results[index] = result_json(CheckItem.failed(url, error))
            else:
                host = urlsplit(address).netloc
                todo[index] = ranks[host]
                ranks[host] += 1
            items[index] = json.dumps([url, address, custom_id])
        self._send(scan_id, items, todo, results)
        return list(results)

    def _write_pages(
        self,
        scan_id: str,
        start: int,
        refused: int,
        chunk: Sequence[ScanItem],
        ranks: Counter[str],
    ) -> list[int]:
        """Write some pages; return the indexes of the lines of those that can never be fetched.

        Args:
            scan_id: the scan.
            start: how many pages are written already.
            refused: how many of them have lines.
            chunk: the pages.
            ranks: how many pages each host has.
        """
        items: dict[int, str] = {}
        todo: dict[int, int] = {}
        results: dict[int, str] = {}
        hashes: list[str] = []
        for number, (url, custom_id) in enumerate(chunk, start + 1):
            expected: Expected = "any"
            try:
                address = canonical_url(url, self._allow_nets)
            except CheckError as error:
                index = refused + len(results)
                results[index] = result_json(CheckItem.failed(url, error))
                items[index] = json.dumps([url, None, custom_id, expected])
            else:
                host = urlsplit(address).netloc
                todo[-number] = ranks[host]
                ranks[host] += 1
                items[-number] = json.dumps([url, address, custom_id, expected])
                hashes.append(address_hash(address))
        if hashes:
            self._redis.sadd(keys.scan(scan_id, ":pages"), *hashes)
        self._send(scan_id, items, todo, results)
        return list(results)

    def _send(
        self, scan_id: str, items: dict[int, str], todo: dict[int, int], results: dict[int, str]
    ) -> None:
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.hset(keys.scan(scan_id, ":items"), mapping=cast(Any, items))
            if todo:
                pipe.zadd(keys.scan(scan_id, ":todo"), cast(Any, todo))
            if results:
                pipe.hset(keys.scan(scan_id, ":results"), mapping=cast(Any, results))
            pipe.execute()

    def _complete(
        self, scan_id: str, state: dict[str, Any], refused: Sequence[int], webhook: Webhook | None
    ) -> None:
        """Write the state of a scan whose items are all written; it exists from then on."""
        state |= {"state": "running", "failed": len(refused)}
        if len(refused) == state["total"]:
            created_at = state["created_at"]
            state |= {"finished_at": created_at, "expires_at": created_at + SCAN_RESULTS_TTL}
            state["state"] = "done"
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(keys.scan(scan_id, ":finished"))  # a transaction may be sent twice
            if refused:
                pipe.rpush(keys.scan(scan_id, ":finished"), *refused)
            pipe.hset(keys.scan(scan_id), mapping=cast(Any, state))
            if webhook:
                self._webhooks.write(pipe, scan_id, webhook)
            pipe.execute()
