"""A real worker, for as long as a test needs it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from backend.stack import environment
from settings import Settings
from tests.conftest import until
from workers.store import Store


@contextmanager
def a_worker(
    settings: Settings, store: Store, log: Path, *options: str
) -> Iterator[psutil.Process]:
    """Start a worker, wait until it lives, and kill it at the end."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "backend.cli", "worker", *options],
            env=environment(settings),
            stdout=output,
            stderr=output,
        )
    try:
        mine = f"-{process.pid}@"
        until(lambda: any(mine in each.name for each in store.live_workers()), "the worker lives")
        yield psutil.Process(process.pid)
    finally:
        process.kill()
        process.wait(10)
