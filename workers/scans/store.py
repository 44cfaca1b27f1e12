"""All scans, kept in Redis; `workers.scans.keys` tells how they lie there."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from redis import Redis
from redis.client import PubSub

from models.errors import CheckError, ErrorCode
from models.verdict import CheckItem, ItemError
from settings import Settings
from workers.connect import connect
from workers.fetch.addresses import Network
from workers.fetch.urls import canonical_url
from workers.leases import LEASE
from workers.scans import keys
from workers.scans.keys import (
    DEADLINES,
    FAMILY,
    MOST_PUT_OFF,
    RUNNING,
    SCAN_RESULTS_TTL,
    scan_key,
    script_args,
    script_keys,
)
from workers.scans.records import Request, ScanItem, ScanResult, ScanSummary, Work
from workers.store import Known

INTAKE_TTL = 300
"""Seconds after which a scan that is being made, and grows no more, is taken for abandoned."""
_CHUNK = 1000
"""Items that are written or cancelled in one go."""

_CANCELLED = CheckItem(
    url="",
    status="failed",
    error=ItemError(code=ErrorCode.CANCELLED, detail="The scan was cancelled before its turn."),
)


class ScanStore:
    """All scans. Thread-safe, like the connection pool below it.

    Args:
        redis: a client that returns bytes.
        revalidate_after: seconds for which a scan trusts that a URL still shows the same image.
        allow_nets: networks that may be fetched from although they are not public.
    """

    def __init__(
        self, redis: Redis, *, revalidate_after: int, allow_nets: Sequence[Network] = ()
    ) -> None:
        self._redis = redis
        self._revalidate_after = revalidate_after
        self._allow_nets = allow_nets
        self._take = redis.register_script(keys.TAKE)
        self._record = redis.register_script(keys.RECORD)
        self._renew = redis.register_script(keys.RENEW)
        self._defer = redis.register_script(keys.DEFER)
        self._wake = redis.register_script(keys.WAKE)
        self._cancel = redis.register_script(keys.CANCEL)

    @classmethod
    def open(cls, settings: Settings) -> ScanStore:
        """Connect (lazily) to the Redis that the settings name.

        Raises:
            ValueError: ``redis_url`` is not set.
        """
        if settings.redis_url is None:
            raise ValueError("ASSAY_REDIS_URL is not set")
        return cls(
            connect(settings.redis_url),
            revalidate_after=settings.revalidate_after,
            allow_nets=settings.fetch_allow_nets,
        )

    # Making scans

    def claim_key(self, owner: str, key: str, fingerprint: str, scan_id: str) -> Request | None:
        """Let an owner's idempotency key stand for the scan that is about to be made.

        It does so until the scan is deleted, be it for its age or because it was never made whole.

        Args:
            owner: the id of the caller.
            key: the key, as the caller sent it.
            fingerprint: tells this request from others with the same key.
            scan_id: the scan that is made if the key is new.

        Returns:
            None if the key is new; else what it stands for.
        """
        name = "assay:scan-key:" + hashlib.sha256(f"{owner}\0{key}".encode()).hexdigest()
        self._touch(scan_id)
        self._redis.set(scan_key(scan_id, ":key"), name)
        if self._redis.set(name, json.dumps([scan_id, fingerprint]), nx=True):
            return None
        raw = cast(bytes | None, self._redis.get(name))
        if raw is None:  # deleted just now
            return self.claim_key(owner, key, fingerprint, scan_id)
        request = Request(*json.loads(raw))
        if request.scan_id == scan_id:  # our own, whose reply was lost on its way
            return None
        self._redis.unlink(scan_key(scan_id, ":key"))
        self._redis.zrem(DEADLINES, scan_id)
        return request

    def create(
        self, scan_id: str, *, owner: str, force: bool, items: Iterable[ScanItem]
    ) -> ScanSummary:
        """Make a scan of the items; it can be seen when all are there.

        URLs that can never be fetched have failed when it begins. If the items' iterator raises,
        `delete` removes what was written, and a `sweep` does so later if nobody calls that.

        Args:
            scan_id: new, 32 hex digits.
            owner: the id of the caller.
            force: fetch again what is known already.
            items: read once, some at a time.

        Raises:
            ScanLostError: the items came so slowly that the scan was taken for abandoned.
            redis.exceptions.OutOfMemoryError: Redis is full.
        """
        created_at = time.time()
        self._touch(scan_id)
        ranks: Counter[str] = Counter()
        refused: list[int] = []
        total = 0
        remaining = iter(items)
        while chunk := list(islice(remaining, _CHUNK)):
            refused += self._write(scan_id, total, chunk, ranks)
            total += len(chunk)
            self._touch(scan_id)
        if self._redis.hlen(scan_key(scan_id, ":items")) != total:
            raise ScanLostError(scan_id)
        ended = len(refused) == total
        state: dict[str, str | float] = {
            "state": "done" if ended else "running",
            "owner": owner,
            "force": int(force),
            "created_at": created_at,
            "since": created_at - (0 if force else self._revalidate_after),
            "total": total,
            "failed": len(refused),
        }
        if ended:
            state |= {"finished_at": created_at, "expires_at": created_at + SCAN_RESULTS_TTL}
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(scan_key(scan_id, ":finished"))  # for a transaction may be sent again
            if refused:
                pipe.rpush(scan_key(scan_id, ":finished"), *refused)
            pipe.hset(scan_key(scan_id), mapping=cast(Any, state))
            pipe.execute()
        if ended:
            self._settle(scan_id, created_at + SCAN_RESULTS_TTL)
        else:
            self._run(scan_id)
        summary = self.summary(scan_id)
        if summary is None:
            raise ScanLostError(scan_id)
        return summary

    def _write(
        self, scan_id: str, start: int, chunk: Sequence[ScanItem], ranks: Counter[str]
    ) -> list[int]:
        """Write some items; returns the indexes of those that can never be fetched."""
        items: dict[int, str] = {}
        todo: dict[int, int] = {}
        results: dict[int, str] = {}
        for index, (url, custom_id) in enumerate(chunk, start):
            address = None
            try:
                address = canonical_url(url, self._allow_nets)
            except CheckError as error:
                results[index] = _without_url(CheckItem.failed(url, error))
            else:
                host = urlsplit(address).netloc
                todo[index] = ranks[host]
                ranks[host] += 1
            items[index] = json.dumps([url, address, custom_id])
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.hset(scan_key(scan_id, ":items"), mapping=cast(Any, items))
            if todo:
                pipe.zadd(scan_key(scan_id, ":todo"), cast(Any, todo))
            if results:
                pipe.hset(scan_key(scan_id, ":results"), mapping=cast(Any, results))
            pipe.execute()
        return list(results)

    # Asking for scans

    def summary(self, scan_id: str) -> ScanSummary | None:
        """Return how far the scan is, if there is one."""
        raw = cast(dict[bytes, bytes], self._redis.hgetall(scan_key(scan_id)))
        if not raw:
            return None
        state = {name.decode(): value.decode() for name, value in raw.items()}
        return ScanSummary.model_validate(
            {
                "done": 0,
                "cancelled": 0,
                **state,
                "id": scan_id,
                "status": state["state"],
                "labels": {
                    name.removeprefix("label:"): int(count)
                    for name, count in state.items()
                    if name.startswith("label:")
                },
            }
        )

    def results(self, scan_id: str, *, start: int = 0, count: int) -> list[ScanResult]:
        """Return a page of the scan's items in the order in which they were given.

        Args:
            scan_id: the scan.
            start: the index of the first.
            count: how many at most; fewer come at the end only.
        """
        return self._read(scan_id, range(start, start + count))

    def finished(self, scan_id: str, *, start: int = 0, count: int) -> list[ScanResult]:
        """Return a page of the items that have a result, in the order in which they got it.

        Args:
            scan_id: the scan.
            start: the first one's place in that order, from 0.
            count: how many at most; fewer come when no more have finished yet.
        """
        if count <= 0:
            return []
        indexes = self._redis.lrange(scan_key(scan_id, ":finished"), start, start + count - 1)
        return self._read(scan_id, [int(index) for index in cast(list[bytes], indexes)])

    def _read(self, scan_id: str, indexes: Sequence[int]) -> list[ScanResult]:
        if not indexes:
            return []
        fields = cast(Any, list(indexes))
        items = cast(list[bytes | None], self._redis.hmget(scan_key(scan_id, ":items"), fields))
        results = cast(list[bytes | None], self._redis.hmget(scan_key(scan_id, ":results"), fields))
        return [
            _result(index, item, result)
            for index, item, result in zip(indexes, items, results, strict=True)
            if item is not None
        ]

    @contextmanager
    def listen(self, scan_id: str) -> Iterator[Listener]:
        """Hear of every change of the scan from now on."""
        pubsub: PubSub = self._redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
        with pubsub:
            pubsub.subscribe(scan_key(scan_id, ":news"))
            yield Listener(pubsub)

    # Ending scans

    def cancel(self, scan_id: str) -> ScanSummary | None:
        """End what nobody has begun, and return how far the scan came, if there is one.

        What is under way gets its result; only then has the scan a ``finished_at``.
        """
        self._cancel(keys=[scan_key(scan_id)], args=[scan_key(scan_id, ":news")])
        while self._take_from(scan_id, _CHUNK) == _CHUNK:
            pass
        return self.summary(scan_id)

    def delete(self, scan_id: str) -> None:
        """Forget the scan, made whole or not, and its idempotency key."""
        self._redis.zadd(DEADLINES, {scan_id: 0})  # should this end half-way, a sweep goes on
        self._redis.zrem(RUNNING, scan_id)
        if name := cast(bytes | None, self._redis.get(scan_key(scan_id, ":key"))):
            self._redis.unlink(name)
        self._redis.unlink(*(scan_key(scan_id, part) for part in FAMILY))
        self._redis.zrem(DEADLINES, scan_id)

    def sweep(self) -> None:
        """Delete what has expired or was abandoned half-made, and put right what died half-way."""
        now = time.time()
        due = self._redis.zrangebyscore(DEADLINES, "-inf", now)
        running = self._redis.zrange(RUNNING, 0, -1)
        for raw in [*cast(list[bytes], due), *cast(list[bytes], running)]:
            scan_id = raw.decode()
            state, expires_at = self._redis.hmget(scan_key(scan_id), ["state", "expires_at"])
            if state is None or (expires_at is not None and float(expires_at) <= now):
                self.delete(scan_id)
            elif expires_at is not None:
                self._settle(scan_id, float(expires_at))
            elif raw in due:
                self._run(scan_id)

    # For workers

    def ready(self) -> int:
        """Return how many items are free to be taken now."""
        return sum(self._ready().values())

    def running(self) -> int:
        """Return how many scans are not done."""
        return int(self._redis.zcard(RUNNING))

    def _ready(self) -> dict[str, int]:
        """Return the free items of each running scan, the scan first that waits the longest."""
        now = time.time()
        running = cast(list[bytes], self._redis.zrange(RUNNING, 0, -1))
        ids = [raw.decode() for raw in running]
        with self._redis.pipeline(transaction=False) as pipe:
            for scan_id in ids:
                todo = scan_key(scan_id, ":todo")
                pipe.zcount(todo, -now, now)
                pipe.zcount(todo, now + LEASE + 1, "+inf")  # as in `_TAKE`
                pipe.zcount(todo, "-inf", -now - MOST_PUT_OFF - 1)
            counts = pipe.execute() if ids else []
        return {scan_id: sum(counts[3 * n : 3 * n + 3]) for n, scan_id in enumerate(ids)}

    def take(self, count: int) -> list[Work]:
        """Take items for `LEASE` seconds, from the scan that was served the longest ago.

        If that one has too few, the next ones give the rest. What is neither recorded nor put off
        within the time, nor renewed, is given to another worker.
        """
        works: list[Work] = []
        for scan_id, ready in self._ready().items():
            if len(works) == count:
                break
            if ready:
                taken = self._take_from(scan_id, count - len(works))
                works += taken if isinstance(taken, list) else []
                self._redis.zadd(RUNNING, {scan_id: time.time()}, xx=True)
        return works

    def _take_from(self, scan_id: str, count: int) -> list[Work] | int:
        """Take items of a scan; of a cancelled one, end them and return their number."""
        taken = self._take(
            keys=script_keys(scan_id),
            args=[*script_args(scan_id), count, _without_url(_CANCELLED), LEASE, MOST_PUT_OFF],
        )
        if taken is None:
            self._redis.zrem(RUNNING, scan_id)
            return []
        state, since, created_at, expires_at, *rest = taken
        if state != b"running":
            if expires_at is not None:
                self._settle(scan_id, float(expires_at))
            return int(rest[0]) if rest else 0
        return [
            Work(scan_id, int(index), url, address, float(since), float(created_at))
            for index, (url, address, _) in zip(rest[::2], map(json.loads, rest[1::2]), strict=True)
        ]

    def record(self, work: Work, known: Known) -> bool:
        """Give the item its result, unless it has one; returns whether it had none."""
        verdict = known.verdict
        if verdict is not None:
            cached = known.at < work.created_at
            verdict = verdict.model_copy(update={"cached": cached})
        status: Literal["done", "failed"] = "failed" if verdict is None else "done"
        item = CheckItem(url="", status=status, verdict=verdict, error=known.error)
        label = verdict.label if verdict else ""
        recorded, expires_at = self._record(
            keys=script_keys(work.scan_id),
            args=[*script_args(work.scan_id), work.index, _without_url(item), status, label],
        )
        if expires_at is not None:
            self._settle(work.scan_id, float(expires_at))
        return bool(recorded)

    def renew(self, work: Work) -> None:
        """Keep an item that was taken for `LEASE` seconds more."""
        self._renew(keys=[scan_key(work.scan_id, ":todo")], args=[work.index, LEASE])

    def defer(self, work: Work, seconds: float) -> None:
        """Put the item off; nobody takes it for some seconds, `MOST_PUT_OFF` at most."""
        seconds = min(max(seconds, 0), MOST_PUT_OFF)
        self._defer(keys=[scan_key(work.scan_id, ":todo")], args=[work.index, seconds])

    def wake(self, scan_id: str, index: int) -> bool:
        """Let an item that was put off be taken at once; returns whether there is such an item."""
        return bool(self._wake(keys=[scan_key(scan_id, ":todo")], args=[index]))

    # Where a scan belongs

    def _touch(self, scan_id: str) -> None:
        """Note that the scan is being made."""
        self._redis.zadd(DEADLINES, {scan_id: time.time() + INTAKE_TTL})

    def _run(self, scan_id: str) -> None:
        """Let the scan be served, as the first."""
        self._redis.zadd(RUNNING, {scan_id: 0}, nx=True)
        self._redis.zrem(DEADLINES, scan_id)

    def _settle(self, scan_id: str, expires_at: float) -> None:
        """Note when the scan, which has ended, is to go."""
        self._redis.zadd(DEADLINES, {scan_id: expires_at})
        self._redis.zrem(RUNNING, scan_id)


class ScanLostError(Exception):
    """The scan was swept while it was being made: its items came too slowly."""


class Listener:
    """Hears of a scan's changes. Made by `ScanStore.listen`."""

    def __init__(self, pubsub: PubSub) -> None:
        self._pubsub = pubsub

    def wait(self, deadline: float) -> bool:
        """Wait for a change; false when the deadline (`time.monotonic`) has come.

        Changes that came while nobody waited count as one.
        """
        while (left := deadline - time.monotonic()) > 0:
            # Returns None also for a subscription's confirmation, hence the loop.
            if self._pubsub.get_message(timeout=left) is not None:
                while self._pubsub.get_message(timeout=0) is not None:
                    pass
                return True
        return False


def _without_url(item: CheckItem) -> str:
    """Return what came of an item; its URL is kept with the item."""
    return item.model_dump_json(exclude={"url"}, exclude_none=True)


def _result(index: int, item: bytes, outcome: bytes | None) -> ScanResult:
    url, _, custom_id = json.loads(item)
    found = (
        CheckItem(url=url, status="pending")
        if outcome is None
        else CheckItem.model_validate({"url": url, **json.loads(outcome)})
    )
    return ScanResult(index=index, custom_id=custom_id, item=found)
