"""Checks: URLs in, items out. Unknown URLs are queued, and the request may wait for them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from ipaddress import IPv4Network, IPv6Network

from celery import Celery

from backend.drain import POLL_SECONDS, draining
from backend.items import Item, addresses_of, count_cached, item_of
from backend.lookup_service import Lookup
from models.errors import CheckError
from models.verdict import Verdict
from workers.fetching.urls import canonical_url
from workers.scheduling.queues import Job, enqueue
from workers.storage.checks import CheckRecord
from workers.storage.stores import Stores
from workers.storage.verdict_cache import StoredEntry

HEARTBEAT = 5.0
"""Seconds without news after which `CheckService.watch` yields an empty list."""


class CheckService:
    """Answers checks and lookups from the cache, and queues what is missing.

    An address is a canonical URL, or `upload_address` for an uploaded file.

    Args:
        stores: the cache, and the claims of jobs.
        celery: the queues.
        revalidate_after: seconds for which a check trusts that a URL still shows the same image.
        allow_nets: networks that may be fetched from although they are not public.
    """

    def __init__(
        self,
        stores: Stores,
        celery: Celery,
        revalidate_after: int,
        allow_nets: Sequence[IPv4Network | IPv6Network],
    ) -> None:
        self._stores = stores
        self._celery = celery
        self._revalidate_after = revalidate_after
        self._allow_nets = allow_nets

    def lookup(self, urls: Sequence[str], sha256s: Sequence[str]) -> Lookup:
        """Begin a lookup of URLs and files. Nothing is fetched or queued."""
        return Lookup(self._stores.cache, urls, sha256s, self._allow_nets)

    def canonical(self, url: str) -> str:
        """Return the canonical form of a URL.

        Raises:
            CheckError: it cannot be fetched.
        """
        return canonical_url(url, self._allow_nets)

    def verdict_at(self, url: str) -> tuple[str, Verdict] | None:
        """Return the canonical URL and its cached verdict, if there is one."""
        try:
            address = canonical_url(url, self._allow_nets)
        except CheckError:
            return None
        (entry,) = self._stores.cache.lookup([address])
        return (address, entry.verdict) if entry and entry.verdict else None

    def check(self, record: CheckRecord, wait: float, *, first: bool = True) -> list[Item]:
        """Return an item for each URL, in order. Queue what is not cached and wait for it.

        Args:
            record: the request.
            wait: seconds to wait at most for pending items.
            first: whether this is the first call for the record; only this one counts in metrics.

        Raises:
            kombu.exceptions.OperationalError: the broker cannot be reached.
            redis.RedisError: Redis cannot be reached.
        """
        deadline = time.monotonic() + wait
        addresses, refused = (
            ({url: url for url in record.urls}, {})
            if record.uploaded
            else addresses_of(record.urls, self._allow_nets)
        )
        since = record.created_at - (0 if record.force else self._revalidate_after)
        entries = self._cached(addresses.values(), since)
        if first:
            count_cached("check", entries.values())
        if missing := [address for address, entry in entries.items() if entry is None]:
            self._queue(missing, record, since)
            if wait > 0:
                entries |= self._wait(missing, since, deadline)

        def item(url: str) -> Item:
            if url in refused:
                return refused[url]
            entry = entries[addresses[url]]
            if entry is None:
                return {"url": url, "status": "pending"}
            return item_of(url, entry, cached=entry.at < record.created_at)

        return [item(url) for url in record.urls]

    def watch(
        self, record: CheckRecord, indexes: Iterable[int]
    ) -> Iterator[list[tuple[int, Item]]]:
        """Yield items as they become done or failed, until all have.

        Args:
            record: the request.
            indexes: which of its URLs, from 0.

        Yields:
            Items with their indexes; an empty list after `HEARTBEAT` seconds without news.

        Raises:
            kombu.exceptions.OperationalError: the broker cannot be reached.
            redis.RedisError: Redis cannot be reached.
        """
        pending = set(indexes)
        urls = [record.urls[index] for index in pending]
        address_of = (
            {url: url for url in urls}
            if record.uploaded
            else addresses_of(urls, self._allow_nets)[0]
        )
        with ExitStack() as stack:
            # Without addresses, all URLs are refused and nothing will be published.
            listener = (
                stack.enter_context(self._stores.claims.listen([*address_of.values()]))
                if address_of
                else None
            )
            due = pending
            while pending:
                asked = sorted(due)
                rest = record.model_copy(update={"urls": tuple(record.urls[n] for n in asked)})
                items = zip(asked, self.check(rest, wait=0, first=False), strict=True)
                news = [(index, item) for index, item in items if item["status"] != "pending"]
                yield news
                pending -= {index for index, _ in news}
                if pending and listener is not None:
                    # Without news, all are looked at: a job may have been lost.
                    ended = listener.next(time.monotonic() + HEARTBEAT)
                    due = {n for n in pending if address_of[record.urls[n]] == ended} or pending

    def _cached(self, addresses: Iterable[str], since: float = 0) -> dict[str, StoredEntry | None]:
        """Return the cache entry of each address, if it is not older than a time (Unix s)."""
        unique = list(dict.fromkeys(addresses))
        return {
            address: entry if entry and entry.at >= since else None
            for address, entry in zip(unique, self._stores.cache.stored(unique), strict=True)
        }

    def _queue(self, addresses: Sequence[str], record: CheckRecord, since: float) -> None:
        """Queue a job for each address that has none."""
        claimed = self._stores.claims.claim_queued(addresses)
        jobs: list[Job] = [
            {"address": a, "since": since, "referer": record.referer, "queue": record.queue}
            for a in claimed
        ]
        try:
            enqueue(self._celery, jobs, record.queue)
        except Exception:
            self._stores.claims.release(claimed)
            raise

    def _wait(
        self, addresses: Sequence[str], since: float, deadline: float
    ) -> dict[str, StoredEntry | None]:
        """Wait until all addresses are cached or a deadline (`time.monotonic`) has passed."""
        with self._stores.claims.listen(addresses) as listener:
            # Read again after listening has begun, so that no notification is missed.
            entries = self._cached(addresses, since)
            missing = {address for address, entry in entries.items() if entry is None}
            while missing and (now := time.monotonic()) < deadline and not draining():
                if address := listener.next(min(deadline, now + POLL_SECONDS)):
                    missing.discard(address)
        return self._cached(addresses, since)
