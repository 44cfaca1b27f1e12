"""The Prometheus exporter: the metrics of the whole service, whichever API server is asked.

Every process of every machine adds to totals in Redis (`workers.telemetry.metrics`). The
multiprocess mode of prometheus_client would sum the processes of one machine only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

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
from redis import RedisError

from backend.health import queue_depths
from workers.celery_app import Application
from workers.scheduling.queues import QUEUES, Queue
from workers.storage.stores import Stores
from workers.storage.worker_registry import WorkerRecord
from workers.telemetry.metrics import METRICS, Reading, read
from workers.telemetry.metrics import Metric as Definition

PREFIX = "assay_"


class Exporter(Collector):
    """Collects the metrics from Redis and the broker.

    Args:
        stores: Redis, with workers, scans and the totals.
        celery: the broker.
    """

    def __init__(self, stores: Stores, celery: Application) -> None:
        self._stores = stores
        self._celery = celery
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def metrics(self, accept: str) -> tuple[bytes, str]:
        """Return all metrics and their media type.

        Args:
            accept: the request's `Accept` header, which may ask for OpenMetrics.
        """
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def describe(self) -> list[Metric]:
        """Return nothing, so that registering does not collect."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics, without those of a part that cannot be reached."""
        info = {"version": version("assay"), "model_version": self._stores.model_version}
        yield InfoMetricFamily(f"{PREFIX}build", "The versions in use.", value=info)
        depths = queue_depths(self._celery)
        try:
            found = [*self._store_metrics(), *self._queue_metrics(depths or {})]
        except RedisError:
            found = []
        yield _gauge(
            "up",
            "Whether a part of the service can be reached.",
            "part",
            {"store": bool(found), "broker": depths is not None},
        )
        yield from found

    def _queue_metrics(self, depths: dict[str, int]) -> Iterator[Metric]:
        latency = self._celery.queue_latency
        yield _gauge("queue_depth", "Tasks that wait in a queue.", "queue", depths)
        yield _gauge(
            "queue_oldest_seconds",
            "Time that the oldest task of a queue has waited.",
            "queue",
            {queue: latency.oldest(queue, depths[queue]) for queue in QUEUES if queue in depths},
        )

    def _store_metrics(self) -> Iterator[Metric]:
        """Yield the metrics that are in Redis.

        Raises:
            redis.RedisError: Redis cannot be reached.
        """
        totals = read(self._stores.redis)
        for name, metric in METRICS.items():
            yield _aggregated(name, metric, totals.get(name, {}))
        yield from _worker_metrics(self._stores.workers.live())
        scans = self._stores.scans
        running, ready = scans.lifecycle.running(), scans.items.ready()
        yield _gauge("scans_running", "Scans that are not done.", None, running)
        yield _gauge("scan_items_ready", "Scan items that a worker could take.", None, ready)
        yield from _redis_metrics(self._stores.redis.info())


def _worker_metrics(workers: list[WorkerRecord]) -> Iterator[Metric]:
    live = GaugeMetricFamily(f"{PREFIX}workers", "Live workers.", labels=("queue", "model_version"))
    processes = GaugeMetricFamily(
        f"{PREFIX}worker_processes",
        "Their processes. A process that serves two queues counts for both.",
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


def _redis_metrics(info: dict[str, Any]) -> Iterator[Metric]:
    """Yield the memory use of Redis. For a cluster, this is one of its nodes."""
    for name, text, field in (
        ("store_memory_bytes", "Memory that Redis uses.", "used_memory"),
        ("store_memory_limit_bytes", "Memory that Redis may use; 0 is no limit.", "maxmemory"),
    ):
        yield _gauge(name, text, None, info.get(field, 0))
    yield CounterMetricFamily(
        f"{PREFIX}store_evicted_keys",
        "Keys that Redis evicted for lack of memory.",
        value=info.get("evicted_keys", 0),
    )


def _gauge(
    name: str,
    text: str,
    label: str | None,
    values: Mapping[str, float] | Mapping[Queue, float] | float,
) -> Metric:
    if not isinstance(values, Mapping):
        return GaugeMetricFamily(PREFIX + name, text, value=values)
    family = GaugeMetricFamily(PREFIX + name, text, labels=(label or "",))
    for label_value, value in values.items():
        family.add_metric((label_value,), value)
    return family


def _aggregated(name: str, metric: Definition, readings: dict[tuple[str, ...], Reading]) -> Metric:
    if not metric.buckets:
        counter = CounterMetricFamily(PREFIX + name, metric.help, labels=metric.labels)
        for labels, reading in sorted(readings.items()):
            counter.add_metric(labels, reading.value)
        return counter
    histogram = HistogramMetricFamily(PREFIX + name, metric.help, labels=metric.labels)
    for labels, reading in sorted(readings.items()):
        cumulative, buckets = 0, []
        for bound, number in zip((*metric.buckets, float("inf")), reading.buckets, strict=True):
            cumulative += number
            buckets.append(("+Inf" if bound == float("inf") else str(float(bound)), cumulative))
        histogram.add_metric(labels, buckets, reading.value)
    return histogram
