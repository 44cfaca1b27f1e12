"""Process a task's work in threads, within deadlines.

Threads fetch, and one thread at a time classifies, so that the network and the one core of this
process are busy together. A task ends without the threads that only wait for slow servers: those
finish by themselves, and complete their work as every other thread does.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from kombu.exceptions import OperationalError
from redis import RedisError

from models.errors import ErrorCode
from workers.processing.read_pages import PageReader
from workers.processing.resolve import Progress, UrlResolver
from workers.processing.work_items import PageWork, ScanWork, Work
from workers.scheduling.leases import Leases
from workers.storage.uploads import Uploads
from workers.storage.verdict_cache import UPLOAD_SCHEME, CacheEntry, VerdictCache
from workers.telemetry.metrics import meter

THREADS = 24
"""Each may hold a file of 20 MiB while it waits to classify it."""
INTERACTIVE_THREADS = 8
"""How many of them bulk work leaves free."""
STRAGGLER_TIMEOUT = 2.0
"""Seconds without progress after which a task leaves its threads to themselves."""
SHUTDOWN_TIMEOUT = 15.0
"""Seconds that a process which ends gives its threads; the longest that a fetch takes."""

log = structlog.get_logger()


class BatchRunner:
    """Runs the work of one worker process.

    Args:
        resolver: resolves one address.
        pages: reads pages of scans.
        cache: keeps the results.
        uploads: uploaded files, which are deleted when they are done.
        leases: renew the claims on work under way.
    """

    def __init__(
        self,
        resolver: UrlResolver,
        pages: PageReader,
        cache: VerdictCache,
        uploads: Uploads,
        leases: Leases,
    ) -> None:
        self._resolver = resolver
        self._pages = pages
        self._cache = cache
        self._uploads = uploads
        self._leases = leases
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="batch")
        self._under_way: set[Future[None]] = set()

    @property
    def room(self) -> int:
        """How much more work bulk tasks may add."""
        return max(0, THREADS - INTERACTIVE_THREADS - len(self._under_way))

    def run(self, work: Sequence[Work]) -> None:
        """Process the work; return when it is done, or when the rest waits for slow servers.

        Every item is completed, or is requeued or parked to be done later.
        """
        progress = Progress()
        futures = {
            # A thread's log events get the same fields as the task's.
            self._threads.submit(copy_context().run, self._process, item, progress): item
            for item in work
        }
        self._under_way.update(futures)
        for future in futures:
            future.add_done_callback(self._under_way.discard)
        left = set(futures)
        try:
            while left:
                done, left = wait(left, STRAGGLER_TIMEOUT, return_when=FIRST_COMPLETED)
                if not done and progress.fetching == len(left):
                    log.info("stragglers_left", count=len(left))
                    meter.count("stragglers", len(left))
                    return
        except SoftTimeLimitExceeded:
            log.warning("batch_out_of_time", left=len(left))
            progress.out_of_time = True
            for future, item in futures.items():
                if future.cancel():
                    item.requeue()
            # Wait for the thread that classifies. If it never ends, the hard time limit kills it.
            while progress.classifying:
                time.sleep(0.05)

    def close(self) -> None:
        """Wait for the threads, `SHUTDOWN_TIMEOUT` at most."""
        wait(list(self._under_way), SHUTDOWN_TIMEOUT)

    def _process(self, item: Work, progress: Progress) -> None:
        """Process one item, in a thread."""
        structlog.contextvars.bind_contextvars(**item.log_fields)  # of this thread's own context
        try:
            with self._leases.held(item.renew):
                if isinstance(item, PageWork):
                    self._pages.read(item, progress)
                    return
                entry = self._resolver.resolve(item, progress)
            if entry is None:
                return
            if isinstance(item, ScanWork) and _is_about_the_scan(entry):
                item.refuse(entry)
                return
            # Never older than asked for, even if the clock was set back meanwhile.
            entry = entry.model_copy(update={"at": max(entry.at, item.since)})
            item.complete(self._cache.save_entry(item.address, entry))
        except (RedisError, OperationalError) as error:
            # Not this image's fault. Its claim expires in a while, and it is processed again.
            log.warning("work_lost", address=item.address, reason=str(error))
            return
        if item.address.startswith(UPLOAD_SCHEME):
            self._uploads.drop(item.address.removeprefix(UPLOAD_SCHEME))


def _is_about_the_scan(entry: CacheEntry) -> bool:
    """Return whether an error says nothing to a person who names the URL."""
    return entry.error is not None and entry.error.code == ErrorCode.ROBOTS_DISALLOWED
