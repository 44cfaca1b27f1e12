"""Periodic maintenance: every worker restores lost work every few seconds."""

from __future__ import annotations

import time

from workers.scheduling.dispatch import Dispatcher
from workers.scheduling.wait_queues import WaitQueues
from workers.storage.scans.lifecycle import ScanLifecycle

SWEEP_INTERVAL = 30.0
"""Seconds between two sweeps of the scans."""


class Maintenance:
    """Maintains dispatches, host wait queues and scans.

    Args:
        wait_queues: the queues in which work waits for its host.
        dispatcher: the dispatches of scans.
        scans: the scans to sweep.
    """

    def __init__(
        self, wait_queues: WaitQueues, dispatcher: Dispatcher, scans: ScanLifecycle
    ) -> None:
        self._wait_queues = wait_queues
        self._dispatcher = dispatcher
        self._scans = scans
        self._swept = 0.0

    def run(self) -> None:
        """Restore what was lost since the last run.

        Raises:
            redis.RedisError: the store cannot be reached.
        """
        self._wait_queues.wake_all()
        self._dispatcher.top_up()
        if time.monotonic() - self._swept > SWEEP_INTERVAL:
            self._scans.sweep()
            self._swept = time.monotonic()
