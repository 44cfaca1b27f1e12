"""Deliver webhooks in threads of their own, so that no image waits for a receiver.

Every worker process looks for due webhooks about once a second. The duration of an attempt, the
number of attempts, and the requests to one host at once over all workers are limited. A receiver
accepts a message with a status of 2xx, and declines it for good with 410.
"""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import structlog
from redis import RedisError

from models.errors import ErrorCode
from workers.fetching import FetchError
from workers.fetching.host_limits import HostLimiter
from workers.storage.scans import Scans
from workers.storage.scans.records import Delivery, ScanSummary, Webhook
from workers.storage.scans.webhooks import LONGEST_PAUSE
from workers.telemetry.metrics import meter
from workers.webhooks.message import body_of, message_id, signed
from workers.webhooks.post import Answer, Poster

AT_ONCE = 4
"""Deliveries that one process runs at once."""
_OK, _GONE, _TRY_LATER = range(200, 300), 410, (429, 503)
_UNREACHABLE = (ErrorCode.DNS_FAILURE, ErrorCode.CONNECT_FAILURE, ErrorCode.TIMEOUT)

Status = Literal["pending", "delivered", "failed"]

log = structlog.get_logger()


@dataclass(frozen=True)
class Schedule:
    """When a delivery is attempted. Times are in seconds."""

    pauses: tuple[float, ...] = (5, 60, 300, 1800, 3600, 2 * 3600, 4 * 3600, 8 * 3600)
    """After each failed attempt; after one more it has failed: nine attempts in sixteen hours."""
    spread: float = 0.2
    """The fraction by which a pause is extended at random, so that retries do not coincide."""
    host_busy: float = 2.0
    """The pause if the host has as many requests as it may have at once."""
    look_every: float = 1.0
    """Between two searches for due deliveries."""


class Deliverer:
    """Delivers webhooks in one process.

    Args:
        scans: the scans, and which webhooks are due.
        hosts: limits the requests to a host.
        poster: sends messages.
        schedule: when deliveries are attempted.
    """

    def __init__(
        self,
        scans: Scans,
        hosts: HostLimiter,
        poster: Poster,
        schedule: Schedule = Schedule(),
    ) -> None:
        self._scans = scans
        self._webhooks = scans.webhooks
        self._hosts = hosts
        self._poster = poster
        self._schedule = schedule
        self._most = len(schedule.pauses) + 1
        self._free = threading.BoundedSemaphore(AT_ONCE)
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webhook")
        self._closing = threading.Event()
        self._looker = threading.Thread(target=self._keep_looking, name="webhooks", daemon=True)

    def start(self) -> None:
        """Start to look for due deliveries; call it after a fork."""
        self._looker.start()

    def close(self) -> None:
        """Begin no more deliveries, and wait for those under way."""
        self._closing.set()
        if self._looker.is_alive():
            self._looker.join()
        self._pool.shutdown()

    def _keep_looking(self) -> None:
        away = False
        while not self._closing.wait(self._schedule.look_every):
            try:
                self._begin_due()
                away = False
            except RedisError as error:
                if not away:
                    log.warning("webhooks_not_looked_for", error=type(error).__name__)
                away = True
            except Exception:  # no error may end this thread
                log.exception("webhooks_not_looked_for")

    def _begin_due(self) -> None:
        """Begin as many due deliveries as there are free threads."""
        while not self._closing.is_set() and self._free.acquire(blocking=False):
            begun = False
            try:
                claimed = self._webhooks.claim(1)
                begun = bool(claimed) and self._begin(claimed[0])
            finally:
                if not begun:
                    self._free.release()
            if not claimed:
                return

    def _begin(self, scan_id: str) -> bool:
        """Start a claimed delivery in a thread; return False if nothing can be sent now."""
        scan, found = self._scans.reader.summary(scan_id), self._webhooks.read(scan_id)
        if scan is None or found is None or found[1].status != "pending" or not scan.finished_at:
            self._webhooks.drop(scan_id)
            return False
        webhook, _ = found
        if self._hosts.acquire(_host(webhook), scan_id) != "acquired":
            self._webhooks.postpone(scan_id, self._schedule.host_busy * random.uniform(1, 2))  # noqa: S311
            return False
        sending = self._pool.submit(self._deliver, scan, webhook)
        sending.add_done_callback(self._delivered)
        return True

    def _delivered(self, sending: Future[None]) -> None:
        self._free.release()
        error = sending.exception()
        if isinstance(error, RedisError):  # the claim expires, and another attempt follows
            log.warning("webhook_not_noted", error=type(error).__name__)
        elif error is not None:
            log.error("webhook_broke", exc_info=error)

    def _deliver(self, scan: ScanSummary, webhook: Webhook) -> None:
        attempts = self._webhooks.begin(scan.id)
        if attempts > self._most:  # the process was killed at the last one
            self._webhooks.end(scan.id, Delivery(status="failed"))
            return
        answer, error = self._post(scan, webhook)
        status = answer.status if answer else None
        end = self._end(attempts, status)
        log.info(
            "webhook_tried",
            scan_id=scan.id,
            host=urlsplit(webhook.url).netloc,
            attempt=attempts,
            status=status,
            error=error,
            end=end,
        )
        meter.count("webhook_attempts", outcome=_outcome(status, error))
        self._webhooks.end(scan.id, Delivery(status=end, last_status=status, last_error=error))
        if end == "pending":
            self._webhooks.postpone(scan.id, self._pause(attempts, answer))

    def _post(self, scan: ScanSummary, webhook: Webhook) -> tuple[Answer | None, ErrorCode | None]:
        """Post the message once; returns the answer, or why there was none."""
        body = body_of(scan)
        fields = signed(webhook.secret, message_id(scan.id), int(time.time()), body)
        error: ErrorCode | None = None
        try:
            return self._poster.post(webhook.url, body, fields), None
        except FetchError as failure:
            error = failure.code
            return None, error
        finally:
            self._hosts.release(_host(webhook), scan.id, answered=error not in _UNREACHABLE)

    def _end(self, attempts: int, status: int | None) -> Status:
        if status in _OK:
            return "delivered"
        return "failed" if status == _GONE or attempts >= self._most else "pending"

    def _pause(self, attempts: int, answer: Answer | None) -> float:
        pause = self._schedule.pauses[attempts - 1]
        pause *= 1 + random.uniform(0, self._schedule.spread)  # noqa: S311
        if answer and answer.status in _TRY_LATER and answer.retry_after:
            pause = max(pause, answer.retry_after)
        return min(pause, LONGEST_PAUSE)


def _host(webhook: Webhook) -> str:
    """Return a name for the receiver's host that differs from any host of images."""
    return f"webhook {urlsplit(webhook.url).netloc}"


def _outcome(status: int | None, error: ErrorCode | None) -> str:
    if status is None:
        return str(error)
    return "ok" if status in _OK else "http_status"
