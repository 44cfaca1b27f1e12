"""Leases: a process renews its claims on what it works on while it works on it.

So others soon take over the work of a process that was killed or cut off, however long it takes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from redis import RedisError

RENEW_INTERVAL = 5.0
"""Seconds between two renewals; well below `workers.storage.claims.LEASE`."""
LONGEST = 90.0
"""Seconds for which a lease is renewed at most, should a thread hang; above a task's hard limit."""

log = structlog.get_logger()


class Leases:
    """The leases of one process, and a thread that renews them. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[object, tuple[Callable[[], object], float]] = {}
        threading.Thread(target=self._keep_renewing, name="leases", daemon=True).start()

    @contextmanager
    def held(self, renew: Callable[[], object]) -> Iterator[None]:
        """Renew a lease while the block runs.

        Args:
            renew: extends the lease to `LEASE` seconds, if it is not lost; may raise
                `redis.RedisError`.
        """
        key = object()
        with self._lock:
            self._held[key] = renew, time.monotonic() + LONGEST
        try:
            yield
        finally:
            with self._lock:
                del self._held[key]

    def _keep_renewing(self) -> None:
        while True:
            time.sleep(RENEW_INTERVAL)
            now = time.monotonic()
            with self._lock:
                due = [renew for renew, until in self._held.values() if now < until]
            try:
                for renew in due:
                    renew()
            except RedisError as error:  # others take over the leases that are lost by this
                log.warning("leases_not_renewed", reason=str(error))
