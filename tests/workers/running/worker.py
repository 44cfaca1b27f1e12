"""A real worker, for as long as a test needs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from settings import Settings
from tests.conftest import until
from tests.machines.roles import role
from workers.storage.stores import Stores


@contextmanager
def a_worker(
    settings: Settings, stores: Stores, log: Path, *options: str
) -> Iterator[psutil.Process]:
    """Start a worker, wait until it lives, and kill it at the end."""
    with role(settings, "worker", *options, log=log) as worker:
        mine = f"-{worker.pid}@"
        until(lambda: any(mine in each.name for each in stores.workers.live()), "the worker lives")
        yield worker
