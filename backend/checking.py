"""Checks and lookups: addresses → items. What is not known is queued, and may be waited for."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from ipaddress import IPv4Network, IPv6Network

from celery import Celery

from backend.drain import GLANCE, draining
from models.errors import CheckError
from models.verdict import CheckItem, Verdict
from workers.fetch.urls import canonical_url
from workers.metrics import meter
from workers.queue import Job, enqueue
from workers.store import CheckRecord, Known, Store, upload_address

PULSE = 5.0
"""Seconds after which one who watches a check hears that there is nothing new."""


class Checker:
    """Answers checks and lookups from the store, and queues what is missing.

    Args:
        store: holds what is known.
        celery: takes the jobs.
        revalidate_after: seconds for which a check trusts that a URL still shows the same image.
        allow_nets: networks that may be fetched from although they are not public.
    """

    def __init__(
        self,
        store: Store,
        celery: Celery,
        revalidate_after: int,
        allow_nets: Sequence[IPv4Network | IPv6Network],
    ) -> None:
        self._store = store
        self._celery = celery
        self._revalidate_after = revalidate_after
        self._allow_nets = allow_nets

    def lookup(self, urls: Sequence[str]) -> list[CheckItem]:
        """Return what is known of each URL, in order; nothing is fetched or queued."""
        addresses, refused = self._addresses(urls)
        known = self._known(addresses.values())
        _count("lookup", known.values())
        return [
            refused[url]
            if url in refused
            else _item(url, known[addresses[url]], cached=True)
            or CheckItem(url=url, status="unknown")
            for url in urls
        ]

    def lookup_bytes(self, sha256s: Sequence[str]) -> list[CheckItem]:
        """Return what is known of some files by their bytes' hashes, in order."""
        verdicts = self._store.verdicts(sha256s)
        _count("lookup", verdicts)
        return [_item_of_bytes(*each) for each in zip(sha256s, verdicts, strict=True)]

    def verdict_at(self, url: str) -> tuple[str, Verdict] | None:
        """Return the canonical URL and the verdict that is known of it, if there is one."""
        try:
            address = canonical_url(url, self._allow_nets)
        except CheckError:
            return None
        (known,) = self._store.lookup([address])
        return (address, known.verdict) if known and known.verdict else None

    def check(self, record: CheckRecord, wait: float, *, again: bool = False) -> list[CheckItem]:
        """Return an item for each URL, in order; queue what is not known and wait for it.

        Args:
            record: what is asked for.
            wait: seconds to wait at most for what is pending, on a notification from the workers.
            again: whether this was asked before, so that it counts for nothing.

        Raises:
            kombu.exceptions.OperationalError: the broker cannot be reached.
            redis.RedisError: the store cannot be reached.
        """
        deadline = time.monotonic() + wait
        addresses, refused = (
            ({url: url for url in record.urls}, {})
            if record.uploaded
            else self._addresses(record.urls)
        )
        since = record.created_at - (0 if record.force else self._revalidate_after)
        known = self._known(addresses.values(), since)
        if not again:
            _count("check", known.values())
        if pending := [address for address, found in known.items() if found is None]:
            self._queue(pending, record, since)
            if wait > 0:
                known |= self._wait(pending, since, deadline)
        return [
            refused[url]
            if url in refused
            else _item(
                url,
                found := known[addresses[url]],
                cached=found is not None and found.at < record.created_at,
            )
            or CheckItem(url=url, status="pending")
            for url in record.urls
        ]

    def watch(
        self, record: CheckRecord, places: Iterable[int]
    ) -> Iterator[list[tuple[int, CheckItem]]]:
        """Yield items as they become done or failed, until all have.

        Args:
            record: what is asked for.
            places: which of its URLs, from 0.

        Yields:
            Items with their places; none after `PULSE` seconds of silence.

        Raises:
            kombu.exceptions.OperationalError: the broker cannot be reached.
            redis.RedisError: the store cannot be reached.
        """
        left = list(places)
        urls = [record.urls[place] for place in left]
        addresses = urls if record.uploaded else [*self._addresses(urls)[0].values()]
        with ExitStack() as stack:
            # Nothing is known later of URLs that are all refused.
            listener = stack.enter_context(self._store.listen(addresses)) if addresses else None
            while left:
                rest = record.model_copy(update={"urls": tuple(record.urls[n] for n in left)})
                items = zip(left, self.check(rest, wait=0, again=True), strict=True)
                news = [(place, item) for place, item in items if item.status != "pending"]
                yield news
                left = sorted({*left} - {place for place, _ in news})
                if left and listener is not None:
                    listener.next(time.monotonic() + PULSE)

    def _addresses(self, urls: Sequence[str]) -> tuple[dict[str, str], dict[str, CheckItem]]:
        """Split the URLs into those with a canonical address and those that are refused."""
        addresses: dict[str, str] = {}
        refused: dict[str, CheckItem] = {}
        for url in urls:
            try:
                addresses[url] = canonical_url(url, self._allow_nets)
            except CheckError as error:
                refused[url] = CheckItem.failed(url, error)
        return addresses, refused

    def _known(self, addresses: Iterable[str], since: float = 0) -> dict[str, Known | None]:
        """Return what has become known of the addresses since a time (Unix s)."""
        unique = list(dict.fromkeys(addresses))
        return {
            address: known if known and known.at >= since else None
            for address, known in zip(unique, self._store.lookup(unique), strict=True)
        }

    def _queue(self, addresses: Sequence[str], record: CheckRecord, since: float) -> None:
        """Make a job of each address that has none."""
        claimed = self._store.claim(addresses)
        jobs: list[Job] = [
            {"address": a, "since": since, "referer": record.referer, "queue": record.queue}
            for a in claimed
        ]
        try:
            enqueue(self._celery, jobs, record.queue)
        except Exception:
            self._store.release(claimed)
            raise

    def _wait(
        self, addresses: Sequence[str], since: float, deadline: float
    ) -> dict[str, Known | None]:
        """Wait until all addresses are known or the deadline (`time.monotonic`) has come."""
        with self._store.listen(addresses) as listener:
            # Asked after listening has begun, so that nothing is missed in between.
            known = self._known(addresses, since)
            missing = {address for address, found in known.items() if found is None}
            while missing and (now := time.monotonic()) < deadline and not draining():
                if address := listener.next(min(deadline, now + GLANCE)):
                    missing.discard(address)
        return self._known(addresses, since)


def _count(call: str, known: Iterable[object | None]) -> None:
    """Count what the cache was good for."""
    for result, number in Counter("miss" if k is None else "hit" for k in known).items():
        meter.count("cache_requests", number, call=call, result=result)


def _item(url: str, known: Known | None, *, cached: bool) -> CheckItem | None:
    if known is None:
        return None
    if known.error is not None:
        return CheckItem(url=url, status="failed", error=known.error)
    verdict = known.verdict
    if verdict is not None and not cached:
        verdict = verdict.model_copy(update={"cached": False})
    return CheckItem(url=url, status="done", verdict=verdict)


def _item_of_bytes(sha256: str, verdict: Verdict | None) -> CheckItem:
    url = upload_address(sha256)
    if verdict is None:
        return CheckItem(url=url, status="unknown")
    return CheckItem(url=url, status="done", verdict=verdict.model_copy(update={"cached": True}))
