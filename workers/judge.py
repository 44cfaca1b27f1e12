"""Orders → verdicts in the store: threads fetch, and one of them at a time judges.

So the network and the one core of this process are busy together. A thread that has its bytes waits
for the one lock of the process, and judges. A task ends without the threads that only wait for slow
servers: those finish by themselves, and tell the result as every other.
"""

from __future__ import annotations

import hashlib
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from kombu.exceptions import OperationalError
from redis import RedisError

from models.ensemble import Ensemble
from models.errors import CheckError, ErrorCode
from models.verdict import ItemError, Verdict
from workers.fetch import TurnedAwayError
from workers.fetch.client import Fetched, Fetcher
from workers.hosts import LONGEST_PAUSE, MOST_TURNED_AWAY, Hosts
from workers.lanes import Lanes
from workers.leases import Leases
from workers.metrics import meter
from workers.orders import Order
from workers.pipeline import judge_bytes
from workers.spool import Spool
from workers.store import UPLOAD_SCHEME, Known, Store

THREADS = 24
"""Each may hold a file of 20 MiB while it waits for its turn to judge."""
THREADS_FOR_PEOPLE = 8
"""Of those, kept free by bulk work."""
PATIENCE_WITH_HOST = 1.0
"""Seconds to wait for a place at a busy host before the order goes into the host's lane."""
STRAGGLES_AFTER = 2.0
"""Seconds without any news after which a task leaves its threads to themselves."""
PATIENCE_AT_THE_END = 15.0
"""Seconds that a process which ends gives its threads; the longest that a fetch takes."""
MOST_ATTEMPTS = 3
"""Processes that an image may cost before it is given up."""

log = structlog.get_logger()


class _NotNowError(Exception):
    """A host has as many requests as is polite, or wants a pause; the order waits in its lane."""

    def __init__(self, host: str) -> None:
        super().__init__(host)
        self.host = host


class _Batch:
    """How far the threads of one task are, as the task sees it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.fetching = 0
        self.judging = 0
        self.out_of_time = False

    @contextmanager
    def counted(self, what: str) -> Iterator[None]:
        """Count a thread among those that fetch, or that judge."""
        with self._lock:
            setattr(self, what, getattr(self, what) + 1)
        try:
            yield
        finally:
            with self._lock:
                setattr(self, what, getattr(self, what) - 1)


class Judge:
    """Everything that one worker process needs to carry orders out.

    Args:
        store: where verdicts go.
        hosts: how many may ask a host at once.
        lanes: where orders wait for their host.
        fetcher: gets what is at a URL.
        spool: holds uploaded bytes.
        ensemble: judges; used by one thread at a time.
        leases: keep what is under way.
    """

    def __init__(
        self,
        store: Store,
        hosts: Hosts,
        lanes: Lanes,
        fetcher: Fetcher,
        spool: Spool,
        ensemble: Ensemble,
        leases: Leases,
    ) -> None:
        self._store = store
        self._hosts = hosts
        self._lanes = lanes
        self._fetcher = fetcher
        self._spool = spool
        self._ensemble = ensemble
        self._leases = leases
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="judge")
        self._under_way: set[Future[None]] = set()
        self._only_judge = threading.Lock()

    @property
    def room(self) -> int:
        """How many more orders bulk work may give."""
        return max(0, THREADS - THREADS_FOR_PEOPLE - len(self._under_way))

    def run(self, orders: Sequence[Order]) -> None:
        """Carry the orders out; returns when all are, or when what is left waits for slow servers.

        Either way each order is told its result, or is done later, by this process or another.
        """
        batch = _Batch()
        futures = {
            # What logs tell of the task, they tell of its threads too.
            self._threads.submit(copy_context().run, self._carry_out, order, batch): order
            for order in orders
        }
        self._under_way.update(futures)
        for future in futures:
            future.add_done_callback(self._under_way.discard)
        left = set(futures)
        try:
            while left:
                done, left = wait(left, STRAGGLES_AFTER, return_when=FIRST_COMPLETED)
                if not done and batch.fetching == len(left):
                    log.info("stragglers_left", count=len(left))
                    meter.count("stragglers", len(left))
                    return
        except SoftTimeLimitExceeded:
            log.warning("batch_out_of_time", left=len(left))
            batch.out_of_time = True
            for future, order in futures.items():
                if future.cancel():
                    order.put_back()
            # What judges now is waited for: if it never ends, the hard time limit ends the process.
            while batch.judging:
                time.sleep(0.05)

    def close(self) -> None:
        """Wait for the threads, but not for ever; called when the process ends."""
        wait(list(self._under_way), PATIENCE_AT_THE_END)

    # In a thread

    def _carry_out(self, order: Order, batch: _Batch) -> None:
        structlog.contextvars.bind_contextvars(**order.about)  # this thread's own, for this order
        address = order.address
        try:
            with self._leases.kept(order.renew):
                known = self._find(order, batch)
            if known is None:
                return
            # Never older than asked for, even if the clock was set back meanwhile.
            known = known.model_copy(update={"at": max(known.at, order.since)})
            self._store.finish(address, known)
            order.tell(known)
        except (RedisError, OperationalError) as error:
            # Not this image's fault. Its job counts as lost in a while, and is done again.
            log.warning("order_lost", address=address, reason=str(error))
            return
        if address.startswith(UPLOAD_SCHEME):
            self._spool.drop(address.removeprefix(UPLOAD_SCHEME))

    def _find(self, order: Order, batch: _Batch) -> Known | None:
        """Return what is at the order's address; None if the order is done later.

        Raises:
            RedisError: the store cannot be reached.
        """
        try:
            with batch.counted("fetching"):
                obtained = self._obtain(order)
            if isinstance(obtained, Known):
                return obtained
            return self._found(order, obtained, batch)
        except _NotNowError as error:
            self._set_aside(order, error.host)
            return None
        except CheckError as error:
            log.info("check_failed", address=order.address, code=error.code)
            return _failed(error)
        except RedisError:
            raise
        except Exception:
            log.exception("check_broke", address=order.address)
            return _failed(CheckError(ErrorCode.INTERNAL, "Assay failed on this image."))

    def _set_aside(self, order: Order, host: str) -> None:
        # In this order, so that an order is in the lane, or else counts as lost in a while.
        self._hosts.wait(host, order.waiter)
        order.set_aside()
        if not self._hosts.waits(host, order.waiter):  # called in between, and could not come
            order.put_back()
        self._lanes.call(host)  # should its last guest have left in between

    def _obtain(self, order: Order) -> Fetched | Known:
        """Fetch or read the order's bytes; or what is known already, if that is still there.

        Raises:
            CheckError: there are none.
            _NotNowError: not now.
        """
        address = order.address
        if address.startswith(UPLOAD_SCHEME):
            data = self._spool.get(address.removeprefix(UPLOAD_SCHEME))
            return Fetched(data=data, etag=None, last_modified=None)
        (known,) = self._store.lookup([address])
        fetched = self._fetch(order, known)
        if fetched is not None:
            return fetched
        assert known is not None, "304 answers validators only"  # noqa: S101
        return known.model_copy(update={"at": time.time()})

    def _fetch(self, order: Order, known: Known | None) -> Fetched | None:
        """Get what is at the order's address; None if it is what is known.

        Raises:
            CheckError: there is nothing.
            _NotNowError: a host that it leads to is busy, or wants a pause.
        """
        began = time.perf_counter()
        outcome = str(ErrorCode.INTERNAL)
        try:
            fetched = self._fetcher.get(
                order.address,
                etag=known.etag if known else None,
                last_modified=known.last_modified if known else None,
                referer=order.referer,
                place=partial(self._place_at, order.address),
            )
            outcome = "not_modified" if fetched is None else "ok"
            return fetched
        except CheckError as error:
            outcome = str(error.code)
            raise
        except _NotNowError:
            outcome = "put_off"
            raise
        finally:
            meter.observe("fetch_seconds", time.perf_counter() - began, outcome=outcome)

    @contextmanager
    def _place_at(self, address: str, host: str) -> Iterator[None]:
        """Hold one of the places at a host that the address leads to, and note how it behaves."""
        visitor = uuid.uuid4().hex
        self._enter(host, visitor)
        answered = True
        try:
            yield
        except TurnedAwayError as error:
            self._heed(address, host, error)
            raise
        except CheckError as error:
            answered = error.code not in (ErrorCode.CONNECT_FAILURE, ErrorCode.TIMEOUT)
            raise
        finally:
            self._hosts.leave(host, visitor, answered=answered)
            self._lanes.call(host)

    def _heed(self, address: str, host: str, error: TurnedAwayError) -> None:
        """Leave the host alone for as long as it asks, unless that is too long or too often.

        Raises:
            _NotNowError: the order's turn comes when the pause is over.
        """
        if error.seconds > LONGEST_PAUSE or self._hosts.turned_away(address) > MOST_TURNED_AWAY:
            return
        self._hosts.pause(host, max(1.0, error.seconds))
        raise _NotNowError(host) from error

    def _enter(self, host: str, visitor: str) -> None:
        """Wait a moment for a place at the host, unless others do so already.

        Raises:
            CheckError: the host is down.
            _NotNowError: there is no place.
        """
        deadline = time.monotonic() + PATIENCE_WITH_HOST
        pause = 0.01
        while (entry := self._hosts.enter(host, visitor)) != "entered":
            if entry == "down":
                raise CheckError(
                    ErrorCode.CONNECT_FAILURE, f"{host} did not answer just now; it is left alone."
                )
            if entry != "busy" or time.monotonic() > deadline:
                raise _NotNowError(host)
            time.sleep(pause)
            pause = min(2 * pause, 0.25)

    def _found(self, order: Order, fetched: Fetched, batch: _Batch) -> Known | None:
        """Join what was fetched with the verdict for its bytes; None if time is up."""
        at = time.time()
        sha256 = hashlib.sha256(fetched.data).hexdigest()
        with batch.counted("judging"):
            while (verdict := self._store.verdict(sha256)) is None:
                with self._only_judge:
                    if batch.out_of_time:
                        order.put_back()
                        return None
                    verdict = self._judge(order.address, sha256, fetched.data)
                if verdict is not None:
                    break
                time.sleep(0.05)  # another worker judges these bytes
        return Known(at=at, verdict=verdict, etag=fetched.etag, last_modified=fetched.last_modified)

    def _judge(self, address: str, sha256: str, data: bytes) -> Verdict | None:
        """Judge the bytes; None if another worker does so just now."""
        with self._store.judging(sha256) as attempt:
            if attempt is None:
                return None
            if attempt.number > MOST_ATTEMPTS:
                raise CheckError(ErrorCode.INTERNAL, "This image stopped Assay several times.")
            if verdict := self._store.verdict(sha256):  # somebody just did
                return verdict
            with self._leases.kept(attempt.renew), meter.timed("judge_seconds"):
                verdict = judge_bytes(data, self._ensemble)
            self._store.save_verdict(verdict)
            meter.count("verdicts", label=str(verdict.label))
            log.info("judged", address=address, sha256=sha256)
            return verdict


def _failed(error: CheckError) -> Known:
    meter.count("failures", code=str(error.code))
    return Known(at=time.time(), error=ItemError(code=error.code, detail=error.detail))
