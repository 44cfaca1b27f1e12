"""Readiness: whether images can be checked, and what is missing if not."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock, Thread
from typing import Generic, TypeVar

from celery import Celery
from kombu.exceptions import OperationalError
from redis import RedisError

from backend.drain import draining
from backend.schemas.ops import LabelThresholds, Missing, Readiness
from models.integrity import WeightFiles
from models.manifest import Thresholds
from workers.scheduling.queues import QUEUES, depth
from workers.storage.stores import Stores
from workers.storage.worker_registry import WorkerRecord

READY_WITHIN = 1.0
"""Seconds. Load balancers often allow two, and then stop the server."""

Result = TypeVar("Result")


class Probe(Generic[Result]):
    """Runs a function that may block in a thread of its own, at most one call at a time.

    All who ask while a call runs get its result. A part of the service that hangs therefore holds
    one thread, not one per request. The function must return at some time.

    Args:
        function: what to run.
    """

    def __init__(self, function: Callable[[], Result]) -> None:
        self._function = function
        self._lock = Lock()
        self._future: Future[Result] | None = None

    def start(self) -> Future[Result]:
        """Start a call unless one is running; return its future."""
        with self._lock:
            if self._future is None or self._future.done():
                self._future = Future()
                Thread(target=self._run, args=(self._future,), daemon=True).start()
            return self._future

    def _run(self, future: Future[Result]) -> None:
        try:
            future.set_result(self._function())
        except Exception as error:
            future.set_exception(error)


class ReadinessCheck:
    """Checks Redis, the broker, the workers and the weights.

    Args:
        stores: Redis, with the registry of workers.
        celery: the broker.
        weights: the weights of the members in use.
        thresholds: what separates the labels.
    """

    def __init__(
        self, stores: Stores, celery: Celery, weights: WeightFiles, thresholds: Thresholds
    ) -> None:
        self._model_version = stores.model_version
        self._weights = weights
        self._thresholds = LabelThresholds(real=thresholds.real, ai=thresholds.ai)
        self._workers = Probe(stores.workers.live)
        self._depths = Probe(lambda: queue_depths(celery))

    def run(self) -> Readiness:
        """Return what is missing, after little more than `READY_WITHIN` seconds.

        A part that does not answer by then is missing.
        """
        missing: list[Missing] = []
        workers: list[WorkerRecord] = []
        deadline = time.monotonic() + READY_WITHIN
        live_workers, depths = self._workers.start(), self._depths.start()
        damaged = self._weights.damaged()
        try:
            workers = live_workers.result(_seconds_until(deadline))
        except (RedisError, TimeoutError):
            missing.append("store")
        try:
            broker_answers = depths.result(_seconds_until(deadline)) is not None
        except TimeoutError:
            broker_answers = False
        if not broker_answers:
            missing.append("broker")
        # This server does not see the verdicts of workers with another model version.
        if not any(
            "interactive" in each.queues and each.model_version == self._model_version
            for each in workers
        ):
            missing.append("worker")
        if damaged:
            missing.append("weights")
        return Readiness(
            status="draining" if draining() else "not_ready" if missing else "ready",
            model_version=self._model_version,
            thresholds=self._thresholds,
            workers=len(workers),
            precisions=sorted({each.precision for each in workers if each.precision}),
            missing=missing,
        )


def queue_depths(celery: Celery) -> dict[str, int] | None:
    """Return the number of waiting tasks per queue; None if the broker cannot be reached."""
    try:
        return {queue: depth(celery, queue) for queue in QUEUES}
    except (OperationalError, RedisError, OSError):
        return None


def _seconds_until(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())
