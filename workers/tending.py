"""What keeps work moving whatever was lost: done by every worker every few seconds."""

from __future__ import annotations

import time

from celery import Celery

from settings import Settings
from workers.connect import connect
from workers.hosts import Hosts
from workers.lanes import Lanes
from workers.scans import ScanStore
from workers.store import Store
from workers.turns import Turns

SWEEP_INTERVAL = 30.0
"""Seconds between two sweeps of the scans."""


class Tender:
    """Tends turns, lanes and scans.

    Args:
        hosts: whose lanes they are.
        lanes: are called where nobody did.
        turns: are topped up.
        scans: are swept.
    """

    def __init__(self, hosts: Hosts, lanes: Lanes, turns: Turns, scans: ScanStore) -> None:
        self.hosts = hosts
        self.lanes = lanes
        self.turns = turns
        self._scans = scans
        self._swept = 0.0

    @classmethod
    def open(cls, settings: Settings, celery: Celery, store: Store, scans: ScanStore) -> Tender:
        """Connect to the Redis that the settings name.

        Raises:
            ValueError: ``redis_url`` is not set.
        """
        if settings.redis_url is None:
            raise ValueError("ASSAY_REDIS_URL is not set")
        redis = connect(settings.redis_url)
        hosts = Hosts(redis)
        turns = Turns(redis, celery, store, scans)
        return cls(hosts, Lanes(hosts, celery, store, scans, turns), turns, scans)

    def tend(self) -> None:
        """Make good what was lost since the last time.

        Raises:
            redis.RedisError: the store cannot be reached.
        """
        self.lanes.tend()
        self.turns.top_up()
        if time.monotonic() - self._swept > SWEEP_INTERVAL:
            self._scans.sweep()
            self._swept = time.monotonic()
