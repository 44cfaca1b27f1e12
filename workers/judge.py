"""A batch of jobs → verdicts in the store: some threads fetch, this thread judges as bytes arrive.

So the network and the one core of this process are busy together.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from urllib.parse import urlsplit

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from redis import RedisError

from models.ensemble import Ensemble
from models.errors import CheckError, ErrorCode
from models.verdict import ItemError, Verdict
from workers.fetch.client import Fetched, Fetcher
from workers.pipeline import judge_bytes
from workers.queue import Job
from workers.spool import Spool
from workers.store import UPLOAD_SCHEME, Known, Store

FETCHING_THREADS = 8
PATIENCE_WITH_HOST = 5.0
"""Seconds to wait for a place at a busy host before the job goes back to the end of the queue."""
MOST_ATTEMPTS = 3
"""Processes that an image may cost before it is given up."""

log = structlog.get_logger()


class HostBusyError(Exception):
    """The host has as many requests as is polite; the job's turn comes later."""


class BatchJudge:
    """Everything that one worker process needs to do jobs.

    Args:
        store: where verdicts go.
        fetcher: gets what is at a URL.
        spool: holds uploaded bytes.
        ensemble: judges; used by the calling thread only.
        put_back: puts jobs into their queue again.
    """

    def __init__(
        self,
        store: Store,
        fetcher: Fetcher,
        spool: Spool,
        ensemble: Ensemble,
        put_back: Callable[[Sequence[Job]], None],
    ) -> None:
        self._store = store
        self._fetcher = fetcher
        self._spool = spool
        self._ensemble = ensemble
        self._put_back = put_back
        self._threads = ThreadPoolExecutor(FETCHING_THREADS, thread_name_prefix="fetch")

    def run(self, jobs: Sequence[Job], owner: str) -> None:
        """Do the jobs; afterwards each has a verdict or a failure, or is in its queue again.

        Args:
            jobs: the batch.
            owner: names this task; the same when the task is delivered again.
        """
        begun = [job for job in jobs if self._store.begin(job["address"], owner)]
        left = {job["address"]: job for job in self._without_known(begun)}
        under_way = {self._threads.submit(self._obtain, job): job for job in left.values()}
        try:
            for future in as_completed(under_way):
                job = under_way[future]
                self._settle(job, future)
                del left[job["address"]]
        except SoftTimeLimitExceeded:
            log.warning("batch_out_of_time", left=len(left))
            for future in under_way:
                future.cancel()
            self._return(list(left.values()))

    def _without_known(self, jobs: Sequence[Job]) -> list[Job]:
        """Leave out, and end, the jobs that were done before: a task may be delivered twice."""
        to_do = []
        for job, known in zip(
            jobs, self._store.lookup([job["address"] for job in jobs]), strict=True
        ):
            if known and known.at >= job["since"]:
                self._store.wake(job["address"])
            else:
                to_do.append(job)
        return to_do

    def _return(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            self._store.put_back(job["address"])
        self._put_back(jobs)

    # In a fetching thread

    def _obtain(self, job: Job) -> Fetched | Known:
        """Fetch or read the job's bytes; or what is known already, if that is still there.

        Raises:
            CheckError: there are none.
            HostBusyError: not now.
        """
        address = job["address"]
        if address.startswith(UPLOAD_SCHEME):
            data = self._spool.get(address.removeprefix(UPLOAD_SCHEME))
            return Fetched(data=data, etag=None, last_modified=None)
        with self._place_at(urlsplit(address).netloc):
            (known,) = self._store.lookup([address])
            fetched = self._fetcher.get(
                address,
                etag=known.etag if known else None,
                last_modified=known.last_modified if known else None,
                referer=job["referer"],
            )
        if fetched is not None:
            return fetched
        assert known is not None, "304 answers validators only"  # noqa: S101
        return known.model_copy(update={"at": time.time()})

    @contextmanager
    def _place_at(self, host: str) -> Iterator[None]:
        """Hold one of the places at the host, and note whether it could be reached."""
        visitor = uuid.uuid4().hex
        deadline = time.monotonic() + PATIENCE_WITH_HOST
        pause = 0.01
        while (entry := self._store.enter_host(host, visitor)) != "entered":
            if entry == "down":
                raise CheckError(
                    ErrorCode.CONNECT_FAILURE, f"{host} did not answer just now; it is left alone."
                )
            if time.monotonic() > deadline:
                raise HostBusyError(host)
            time.sleep(pause)
            pause = min(2 * pause, 0.25)
        answered = True
        try:
            yield
        except CheckError as error:
            answered = error.code not in (ErrorCode.CONNECT_FAILURE, ErrorCode.TIMEOUT)
            raise
        finally:
            self._store.leave_host(host, visitor, answered=answered)

    # In the judging thread

    def _settle(self, job: Job, future: Future[Fetched | Known]) -> None:
        """Make what was obtained known, or why nothing was."""
        address = job["address"]
        try:
            obtained = future.result()
            if isinstance(obtained, Fetched):
                obtained = self._found(address, obtained)
            self._store.finish(address, obtained)
        except HostBusyError:
            self._return([job])
            return
        except CheckError as error:
            log.info("check_failed", address=_without_query(address), code=error.code)
            self._fail(address, error)
        except (RedisError, SoftTimeLimitExceeded):
            raise  # not this image's fault
        except Exception:
            log.exception("check_broke", address=_without_query(address))
            self._fail(address, CheckError(ErrorCode.INTERNAL, "Assay failed on this image."))
        if address.startswith(UPLOAD_SCHEME):
            self._spool.drop(address.removeprefix(UPLOAD_SCHEME))

    def _fail(self, address: str, error: CheckError) -> None:
        failed = ItemError(code=error.code, detail=error.detail)
        self._store.finish(address, Known(at=time.time(), error=failed))

    def _found(self, address: str, fetched: Fetched) -> Known:
        """Join what was fetched with the verdict for its bytes."""
        at = time.time()
        sha256 = hashlib.sha256(fetched.data).hexdigest()
        verdict = self._store.verdict(sha256) or self._judge(address, sha256, fetched.data)
        return Known(at=at, verdict=verdict, etag=fetched.etag, last_modified=fetched.last_modified)

    def _judge(self, address: str, sha256: str, data: bytes) -> Verdict:
        """Judge the bytes, or wait for the worker that does."""
        with self._store.judging(sha256) as attempt:
            if attempt > MOST_ATTEMPTS:
                raise CheckError(ErrorCode.INTERNAL, "This image stopped Assay several times.")
            if verdict := self._store.verdict(sha256):  # somebody did while we waited
                return verdict
            verdict = judge_bytes(data, self._ensemble)
            self._store.save_verdict(verdict)
            log.info("judged", address=_without_query(address), sha256=sha256)
            return verdict


def _without_query(address: str) -> str:
    """Return the address as it may be logged: queries can hold secrets."""
    return address.partition("?")[0]
