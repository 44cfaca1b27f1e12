"""What those who operate the service ask: whether it is ready, and what it does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

from kombu.exceptions import OperationalError
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from redis import Redis, RedisError

from backend.drain import draining
from backend.schemas.ops import Missing, Readiness
from models.integrity import WeightFiles
from workers.app import Application
from workers.metrics import METRICS, Reading, read
from workers.metrics import Metric as Counted
from workers.queue import QUEUES, Queue, depth
from workers.scans import ScanStore
from workers.store import Store, WorkerRecord

PREFIX = "assay_"


class Operations:
    """Answers from Redis and the broker, so that any API tells of the whole service.

    Args:
        redis: a client that returns bytes.
        celery: knows the broker.
        store: knows the workers.
        scans: know what waits in them.
        weights: the files of the members that judge.
        model_version: of the verdicts that this server gives.
    """

    def __init__(
        self,
        redis: Redis,
        celery: Application,
        store: Store,
        scans: ScanStore,
        weights: WeightFiles,
        model_version: str,
    ) -> None:
        self._redis = redis
        self._celery = celery
        self._store = store
        self._scans = scans
        self._weights = weights
        self._model_version = model_version
        self._registry = CollectorRegistry()
        self._registry.register(_Collector(self))

    def readiness(self) -> Readiness:
        """Find out whether images can be judged."""
        missing: list[Missing] = []
        workers: list[WorkerRecord] = []
        try:
            workers = self._store.live_workers()
        except RedisError:
            missing.append("store")
        if self._depths() is None:
            missing.append("broker")
        # One with other weights writes verdicts that this server does not see.
        if not any(
            "interactive" in each.queues and each.model_version == self._model_version
            for each in workers
        ):
            missing.append("worker")
        if self._weights.damaged():
            missing.append("weights")
        return Readiness(
            status="draining" if draining() else "not_ready" if missing else "ready",
            model_version=self._model_version,
            workers=len(workers),
            missing=missing,
        )

    def metrics(self, accept: str) -> tuple[bytes, str]:
        """Return all figures and their media type.

        Args:
            accept: the request's field; OpenMetrics is written for who asks for it.
        """
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def collect(self) -> Iterator[Metric]:
        """Yield every metric, leaving out what cannot be reached just now."""
        info = {"version": version("assay"), "model_version": self._model_version}
        yield InfoMetricFamily(f"{PREFIX}build", "What runs here.", value=info)
        depths = self._depths()
        try:
            found = [*self._of_the_store(), *self._of_the_queues(depths or {})]
        except RedisError:
            found = []
        yield _gauge(
            "up",
            "Whether a part of the service can be reached.",
            "part",
            {"store": bool(found), "broker": depths is not None},
        )
        yield from found

    def _depths(self) -> dict[str, int] | None:
        """Return how many tasks wait in each queue; None if the broker cannot be reached."""
        try:
            return {queue: depth(self._celery, queue) for queue in QUEUES}
        except (OperationalError, RedisError, OSError):
            return None

    def _of_the_queues(self, depths: dict[str, int]) -> Iterator[Metric]:
        waiting = self._celery.waiting
        yield _gauge("queue_depth", "Tasks that wait in a queue.", "queue", depths)
        yield _gauge(
            "queue_oldest_seconds",
            "For how long the oldest task of a queue has waited.",
            "queue",
            {queue: waiting.oldest(queue, depths[queue]) for queue in QUEUES if queue in depths},
        )

    def _of_the_store(self) -> Iterator[Metric]:
        """Yield what Redis holds.

        Raises:
            redis.RedisError: it cannot be reached.
        """
        totals = read(self._redis)
        for name, metric in METRICS.items():
            yield _counted(name, metric, totals.get(name, {}))
        yield from _of_the_workers(self._store.live_workers())
        running, ready = self._scans.running(), self._scans.ready()
        yield _gauge("scans_running", "Scans that are not done.", None, running)
        yield _gauge("scan_items_ready", "Their items that a worker could take.", None, ready)
        yield from _of_redis(self._redis.info())


class _Collector(Collector):
    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    def collect(self) -> Iterator[Metric]:
        return self._operations.collect()

    def describe(self) -> list[Metric]:
        return []  # else it would be collected once more, at the start


def _of_the_workers(workers: list[WorkerRecord]) -> Iterator[Metric]:
    live = GaugeMetricFamily(
        f"{PREFIX}workers", "Workers that live.", labels=("queue", "model_version")
    )
    processes = GaugeMetricFamily(
        f"{PREFIX}worker_processes",
        "Their processes. One that serves two queues counts for both.",
        labels=("queue", "model_version"),
    )
    versions = {worker.model_version for worker in workers}
    for model_version in sorted(versions):
        for queue in QUEUES:
            serving = [
                worker
                for worker in workers
                if queue in worker.queues and worker.model_version == model_version
            ]
            live.add_metric((queue, model_version), len(serving))
            processes.add_metric((queue, model_version), sum(each.processes for each in serving))
    yield live
    yield processes


def _of_redis(info: dict[str, Any]) -> Iterator[Metric]:
    """Tell how full the Redis is; of a cluster, that is one of its nodes."""
    for name, words, field in (
        ("store_memory_bytes", "What the Redis uses.", "used_memory"),
        ("store_memory_limit_bytes", "What it may use; 0 is no limit.", "maxmemory"),
    ):
        yield _gauge(name, words, None, info.get(field, 0))
    yield CounterMetricFamily(
        f"{PREFIX}store_evicted_keys",
        "Cached verdicts that it gave up for lack of memory.",
        value=info.get("evicted_keys", 0),
    )


def _gauge(
    name: str,
    words: str,
    label: str | None,
    values: Mapping[str, float] | Mapping[Queue, float] | float,
) -> Metric:
    if not isinstance(values, Mapping):
        return GaugeMetricFamily(PREFIX + name, words, value=values)
    family = GaugeMetricFamily(PREFIX + name, words, labels=(label or "",))
    for label_value, value in values.items():
        family.add_metric((label_value,), value)
    return family


def _counted(name: str, metric: Counted, readings: dict[tuple[str, ...], Reading]) -> Metric:
    if not metric.buckets:
        counter = CounterMetricFamily(PREFIX + name, metric.help, labels=metric.labels)
        for labels, reading in sorted(readings.items()):
            counter.add_metric(labels, reading.value)
        return counter
    histogram = HistogramMetricFamily(PREFIX + name, metric.help, labels=metric.labels)
    for labels, reading in sorted(readings.items()):
        up_to, buckets = 0, []
        for bound, number in zip((*metric.buckets, float("inf")), reading.buckets, strict=True):
            up_to += number
            buckets.append(("+Inf" if bound == float("inf") else str(float(bound)), up_to))
        histogram.add_metric(labels, buckets, reading.value)
    return histogram
