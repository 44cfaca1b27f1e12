"""Metrics of all processes together, in Redis, so that one scrape of any API covers the service.

Each process counts for itself, and about once a second adds its counts to the totals in the hash
``assay:metrics``. A field is a series, written as a JSON list: the metric's name, its labels'
values and, for a histogram, a bucket's upper bound or ``sum``.

Counting never fails and never waits for Redis. While Redis is away, the counts are kept. They
cannot grow without bound, because there are only so many series. A process that is killed loses the
counts of its last second.
"""

from __future__ import annotations

import json
import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import cast

import structlog
from redis import Redis, RedisError

from workers.storage import keys

FLUSH_INTERVAL = 1.0
"""Seconds."""
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)
_LONG_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 60, 300, 1800)

log = structlog.get_logger()


@dataclass(frozen=True)
class Metric:
    """One metric.

    Args:
        help: its description.
        labels: the names of its labels; each has few values, all from this code.
        buckets: upper bounds of a histogram's buckets; a counter has none.
    """

    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


METRICS: dict[str, Metric] = {
    "http_requests": Metric("Requests answered.", ("method", "route", "status")),
    "http_request_seconds": Metric(
        "From a request's head to the end of its answer.", ("route",), _SECONDS
    ),
    "cache_requests": Metric(
        "URLs asked for, by call (check, lookup) and whether they were known (hit, miss).",
        ("call", "result"),
    ),
    "queue_wait_seconds": Metric("Of tasks, from sent to begun.", ("queue",), _LONG_SECONDS),
    "task_seconds": Metric("Of tasks, from begun to ended.", ("queue",), _LONG_SECONDS),
    "batch_size": Metric("URLs that a task took on.", ("queue",), (0, 1, 2, 4, 8, 16)),
    "fetch_seconds": Metric(
        "Of fetches, by outcome: ok, not_modified, put_off or an error's code.",
        ("outcome",),
        _SECONDS,
    ),
    "judge_seconds": Metric("Of decoding and judging an image, by all members.", (), _SECONDS),
    "explain_seconds": Metric("Of decoding an image and drawing its explanation.", (), _SECONDS),
    "member_seconds": Metric("Of one member's look at an image.", ("member",), _SECONDS),
    "verdicts": Metric("Images judged, by label.", ("label",)),
    "failures": Metric("URLs that could not be judged, by the error's code.", ("code",)),
    "webhook_attempts": Metric(
        "Attempts to tell the end of a scan, by outcome: ok, http_status or an error's code.",
        ("outcome",),
    ),
    "stragglers": Metric("Fetches left to themselves, so that their task could end."),
}
"""All metrics; each is exported with ``assay_`` before its name."""

Series = tuple[str, tuple[str, ...], str]
"""A metric's name, its labels' values, and "" or a part of a histogram."""


@dataclass
class Reading:
    """The value of one series of a metric.

    Args:
        value: a counter's count, or a histogram's sum.
        buckets: observations in each bucket; the last bucket has no upper bound.
    """

    value: float = 0.0
    buckets: list[int] = field(default_factory=list)


class Meter:
    """Counts of this process that are not yet added to the totals. Thread-safe."""

    def __init__(self) -> None:
        self._sums: Counter[Series] = Counter()
        self._lock = threading.Lock()
        self._redis: Redis | None = None
        self._flusher: threading.Thread | None = None

    def start(self, redis: Redis) -> None:
        """Start to add the counts to the totals in this Redis; call it after a fork."""
        self._redis = redis
        if self._flusher is None or not self._flusher.is_alive():
            self._flusher = threading.Thread(target=self._keep_flushing, daemon=True, name="meter")
            self._flusher.start()

    def count(self, name: str, amount: int = 1, **labels: str) -> None:
        """Add to a counter.

        Args:
            name: in `METRICS`.
            amount: at least 0.
            labels: a value for each of the metric's labels.

        Raises:
            KeyError: there is no such metric, or a label is missing.
        """
        with self._lock:
            self._sums[name, _values(name, labels), ""] += amount

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add an observation to a histogram.

        Args:
            name: in `METRICS`.
            value: mostly seconds; see the metric.
            labels: a value for each of the metric's labels.

        Raises:
            KeyError: there is no such metric, or a label is missing.
        """
        values, bounds = _values(name, labels), METRICS[name].buckets
        bucket = str(bisect_left(bounds, value))
        with self._lock:
            self._sums[name, values, bucket] += 1
            self._sums[name, values, "sum"] += value  # type: ignore[assignment]  # a float

    @contextmanager
    def timed(self, name: str, **labels: str) -> Iterator[None]:
        """Observe the duration of the block in seconds, however it ends."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.observe(name, time.perf_counter() - began, **labels)

    def flush(self) -> None:
        """Add the counts to the totals; counts that cannot be added are kept for the next time."""
        with self._lock:
            sums, self._sums = self._sums, Counter()
        if not sums or self._redis is None:
            return
        try:
            with self._redis.pipeline() as pipe:
                for series, amount in sums.items():
                    pipe.hincrbyfloat(keys.METRICS, json.dumps(series), amount)
                pipe.execute()
        except Exception as error:
            with self._lock:
                self._sums.update(sums)
            if not isinstance(error, RedisError):
                raise

    def _keep_flushing(self) -> None:
        while True:
            time.sleep(FLUSH_INTERVAL)
            try:
                self.flush()
            except Exception:  # no error may end this thread
                log.exception("metrics_not_flushed")


meter = Meter()
"""The counts of this process."""


def read(redis: Redis) -> dict[str, dict[tuple[str, ...], Reading]]:
    """Return the totals: for each metric that was ever counted, its labels' values and readings.

    Raises:
        redis.RedisError: they cannot be read.
    """
    found: dict[str, dict[tuple[str, ...], Reading]] = {}
    for raw, value in cast("Mapping[bytes, bytes]", redis.hgetall(keys.METRICS)).items():
        name, values, part = json.loads(raw)
        metric = METRICS.get(name)
        if metric is None or len(values) != len(metric.labels):
            continue  # from another version
        reading = found.setdefault(name, {}).setdefault(tuple(values), Reading())
        if metric.buckets and part != "sum":
            reading.buckets = reading.buckets or [0] * (len(metric.buckets) + 1)
            if int(part) < len(reading.buckets):
                reading.buckets[int(part)] = int(float(value))
        else:
            reading.value = float(value)
    return found


def _values(name: str, labels: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(labels[label] for label in METRICS[name].labels)
