"""Resolve one address to a cache entry: get its bytes, and find or make their verdict."""

from __future__ import annotations

import hashlib
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import structlog
from redis import RedisError

from models.ensemble import Ensemble
from models.errors import CheckError, ErrorCode
from models.verdict import ItemError, Verdict
from workers.fetching import RetryLaterError
from workers.fetching.client import Fetched, Fetcher, allow_all
from workers.fetching.host_limits import LONGEST_PAUSE, MOST_RETRIES, HostLimiter
from workers.pages.robots import Robots
from workers.processing.pipeline import classify
from workers.processing.work_items import Work, WorkItem
from workers.scheduling.leases import Leases
from workers.scheduling.wait_queues import WaitQueues
from workers.storage.claims import ImageLocks
from workers.storage.similar import SimilarImages
from workers.storage.uploads import Uploads
from workers.storage.verdict_cache import UPLOAD_SCHEME, CacheEntry, VerdictCache
from workers.telemetry.metrics import meter

SLOT_TIMEOUT = 1.0
"""Seconds to wait for a slot of a busy host before the work goes into the host's queue."""
MOST_ATTEMPTS = 3
"""Processes that an image may kill before it is given up."""

log = structlog.get_logger()


class HostUnavailableError(Exception):
    """A host has no free slot, or asked for a pause; the work waits in the host's queue."""

    def __init__(self, host: str) -> None:
        super().__init__(host)
        self.host = host


class Progress:
    """What the threads of one task are doing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.fetching = 0
        self.classifying = 0
        self.out_of_time = False

    @contextmanager
    def counted(self, activity: str) -> Iterator[None]:
        """Count a thread as `fetching` or `classifying` while the block runs."""
        with self._lock:
            setattr(self, activity, getattr(self, activity) + 1)
        try:
            yield
        finally:
            with self._lock:
                setattr(self, activity, getattr(self, activity) - 1)


class HostSlots:
    """The slots of hosts, as one process uses them.

    Args:
        limiter: limits the requests of all workers.
        wait_queues: wake work that waits for a host.
    """

    def __init__(self, limiter: HostLimiter, wait_queues: WaitQueues) -> None:
        self._limiter = limiter
        self._wait_queues = wait_queues

    @contextmanager
    def held(self, address: str, host: str) -> Iterator[None]:
        """Hold a slot of a host that the address leads to, and record how the host behaves.

        Raises:
            CheckError: the host is down.
            HostUnavailableError: there is no slot, or the host asked for a pause.
        """
        token = uuid.uuid4().hex
        self._acquire(host, token)
        answered = True
        try:
            yield
        except RetryLaterError as error:
            self._apply_retry_after(address, host, error)
            raise
        except CheckError as error:
            answered = error.code not in (ErrorCode.CONNECT_FAILURE, ErrorCode.TIMEOUT)
            raise
        finally:
            if self._limiter.release(host, token, answered=answered):
                self._wait_queues.wake(host)

    def park(self, item: Work, host: str) -> None:
        """Put work into the host's queue."""
        # Whoever wakes it must find it parked. It is parked for a short time first, so that it is
        # not held up for long if this process is killed before it is in the queue.
        item.park()
        self._limiter.enqueue(host, item.waiting)
        item.stay_parked()
        self._wait_queues.wake(host)  # the last slot may have been released in between

    def _acquire(self, host: str, token: str) -> None:
        """Wait `SLOT_TIMEOUT` for a slot, unless other work waits already."""
        deadline = time.monotonic() + SLOT_TIMEOUT
        pause = 0.01
        while (acquired := self._limiter.acquire(host, token)) != "acquired":
            if acquired == "down":
                raise CheckError(
                    ErrorCode.CONNECT_FAILURE, f"{host} did not answer just now; it is left alone."
                )
            if acquired != "busy" or time.monotonic() > deadline:
                raise HostUnavailableError(host)
            time.sleep(pause)
            pause = min(2 * pause, 0.25)

    def _apply_retry_after(self, address: str, host: str, error: RetryLaterError) -> None:
        """Pause the host for as long as it asks, unless that is too long or too often.

        Raises:
            HostUnavailableError: the work waits until the pause is over.
        """
        if error.seconds > LONGEST_PAUSE or self._limiter.count_retry(address) > MOST_RETRIES:
            return
        self._limiter.pause(host, max(1.0, error.seconds))
        raise HostUnavailableError(host) from error


class UrlResolver:
    """Resolves addresses, in the threads of one worker process.

    Args:
        cache: verdicts of bytes that were seen before.
        similar: judged images that look alike.
        image_locks: let one process at a time classify the same bytes.
        slots: the slots of hosts.
        fetcher: fetches URLs.
        uploads: uploaded files.
        ensemble: classifies; used by one thread at a time.
        leases: renew the locks of images.
        robots: the rules of origins, for images that pages name.

    Attributes:
        classifying: held by the thread that uses the ensemble.
    """

    def __init__(
        self,
        cache: VerdictCache,
        similar: SimilarImages,
        image_locks: ImageLocks,
        slots: HostSlots,
        fetcher: Fetcher,
        uploads: Uploads,
        ensemble: Ensemble,
        leases: Leases,
        robots: Robots,
    ) -> None:
        self._cache = cache
        self._similar = similar
        self._image_locks = image_locks
        self._slots = slots
        self._fetcher = fetcher
        self._uploads = uploads
        self._ensemble = ensemble
        self._leases = leases
        self._robots = robots
        self.classifying = threading.Lock()

    def resolve(self, item: WorkItem, progress: Progress) -> CacheEntry | None:
        """Return the new cache entry of the item's address; None if the work is done later.

        Raises:
            RedisError: the store cannot be reached.
        """
        try:
            with progress.counted("fetching"):
                obtained = self._obtain(item)
            if isinstance(obtained, CacheEntry):
                return obtained
            return self._entry_for(item, obtained, progress)
        except HostUnavailableError as error:
            self._slots.park(item, error.host)
            return None
        except CheckError as error:
            log.info("check_failed", address=item.address, code=error.code)
            return _failed(error)
        except RedisError:
            raise
        except Exception:
            log.exception("check_broke", address=item.address)
            return _failed(CheckError(ErrorCode.INTERNAL, "Assay failed on this image."))

    def _obtain(self, item: WorkItem) -> Fetched | CacheEntry:
        """Fetch or read the item's bytes; return its old entry if the file has not changed.

        Raises:
            CheckError: there are no bytes.
            HostUnavailableError: a host that the address leads to has no slot.
        """
        if item.address.startswith(UPLOAD_SCHEME):
            data = self._uploads.get(item.address.removeprefix(UPLOAD_SCHEME))
            return Fetched(data=data, etag=None, last_modified=None)
        fetched = self._fetch(item)
        if fetched is not None:
            return fetched
        assert item.entry is not None, "304 answers validators only"  # noqa: S101
        return item.entry.model_copy(update={"at": time.time()})

    def _fetch(self, item: WorkItem) -> Fetched | None:
        """Fetch the item's address; return None if the file has not changed."""
        began = time.perf_counter()
        outcome = str(ErrorCode.INTERNAL)
        try:
            fetched = self._fetcher.get(
                item.address,
                etag=item.entry.etag if item.entry else None,
                last_modified=item.entry.last_modified if item.entry else None,
                referer=item.referer,
                slot=(slot := partial(self._slots.held, item.address)),
                permit=partial(self._robots.check, slot=slot) if item.robots else allow_all,
            )
            outcome = "not_modified" if fetched is None else "ok"
            return fetched
        except CheckError as error:
            outcome = str(error.code)
            raise
        except HostUnavailableError:
            outcome = "put_off"
            raise
        finally:
            meter.observe("fetch_seconds", time.perf_counter() - began, outcome=outcome)

    def _entry_for(self, item: WorkItem, fetched: Fetched, progress: Progress) -> CacheEntry | None:
        """Return a cache entry with the verdict of the bytes; None if time is up."""
        at = time.time()
        sha256 = hashlib.sha256(fetched.data).hexdigest()
        with progress.counted("classifying"):
            while (verdict := self._cache.verdict(sha256)) is None:
                with self.classifying:
                    if progress.out_of_time:
                        item.requeue()
                        return None
                    verdict = self._classify(item.address, sha256, fetched.data)
                if verdict is not None:
                    break
                time.sleep(0.05)  # another worker classifies these bytes
        return CacheEntry(
            at=at, verdict=verdict, etag=fetched.etag, last_modified=fetched.last_modified
        )

    def _classify(self, address: str, sha256: str, data: bytes) -> Verdict | None:
        """Classify the bytes; return None if another worker does so just now.

        Raises:
            CheckError: the bytes cannot be classified.
        """
        with self._image_locks.hold(sha256) as attempt:
            if attempt is None:
                return None
            if attempt.number > MOST_ATTEMPTS:
                raise CheckError(ErrorCode.INTERNAL, "This image stopped Assay several times.")
            if verdict := self._cache.verdict(sha256):  # another worker just did it
                return verdict
            with self._leases.held(attempt.renew), meter.timed("judge_seconds"):
                verdict = classify(data, self._ensemble, self._cache.verdict_ttl)
            verdict = self._similar.save(verdict)
            meter.count("verdicts", label=str(verdict.label))
            log.info("classified", address=address, sha256=sha256)
            return verdict


def _failed(error: CheckError) -> CacheEntry:
    meter.count("failures", code=str(error.code))
    return CacheEntry(at=time.time(), error=ItemError(code=error.code, detail=error.detail))
