"""Leases: what a process works on is its own for a short while, and for as long as it says so.

So the work of a process that was killed, or cut off, is soon another's, however long work may take.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from redis import RedisError

LEASE = 20
"""Seconds without a sign of life after which a process's work is given to another."""
RENEW_INTERVAL = 5.0
"""Seconds between two signs of life."""
LONGEST = 90.0
"""Seconds for which a lease is renewed at most, should a thread hang; above a task's hard limit."""

log = structlog.get_logger()


class Leases:
    """The leases of one process, and a thread that renews them. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[object, tuple[Callable[[], object], float]] = {}
        threading.Thread(target=self._renew_for_ever, name="leases", daemon=True).start()

    @contextmanager
    def kept(self, renew: Callable[[], object]) -> Iterator[None]:
        """Keep a lease while the block runs.

        Args:
            renew: renews it for `LEASE` seconds, if it is not lost; may raise `redis.RedisError`.
        """
        key = object()
        with self._lock:
            self._kept[key] = renew, time.monotonic() + LONGEST
        try:
            yield
        finally:
            with self._lock:
                del self._kept[key]

    def _renew_for_ever(self) -> None:
        while True:
            time.sleep(RENEW_INTERVAL)
            now = time.monotonic()
            with self._lock:
                due = [renew for renew, until in self._kept.values() if now < until]
            try:
                for renew in due:
                    renew()
            except RedisError as error:  # what is lost by this, others do
                log.warning("leases_not_renewed", reason=str(error))
