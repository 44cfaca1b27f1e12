"""Instrument tasks: ids in their logs, and metrics of how long they waited and took."""

from __future__ import annotations

import time
from typing import Any

import structlog
from celery import Task
from celery.signals import task_postrun, task_prerun

from workers.celery_app import REQUEST_ID
from workers.scheduling.queues import QUEUES
from workers.telemetry.metrics import meter
from workers.telemetry.queue_latency import QueueLatency


def instrument_tasks(queue_latency: QueueLatency) -> None:
    """Instrument every task that a process of this worker runs.

    Args:
        queue_latency: knows when the tasks were sent.
    """
    began: dict[str, float] = {}

    @task_prerun.connect(weak=False)
    def begin(task_id: str, task: Task[Any, Any], **_: object) -> None:
        began[task_id] = time.perf_counter()
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(task_id=task_id)
        if request_id := task.request.get(REQUEST_ID):
            structlog.contextvars.bind_contextvars(request_id=request_id)
        queue = _queue(task)
        if (seconds := queue_latency.begun(queue, task_id)) is not None:
            meter.observe("queue_wait_seconds", seconds, queue=queue)

    @task_postrun.connect(weak=False)
    def end(task_id: str, task: Task[Any, Any], **_: object) -> None:
        if (at := began.pop(task_id, None)) is not None:
            meter.observe("task_seconds", time.perf_counter() - at, queue=_queue(task))


def _queue(task: Task[Any, Any]) -> str:
    """Return the queue that delivered the task; messages from elsewhere share one label."""
    queue = (task.request.delivery_info or {}).get("routing_key")
    return queue if queue in QUEUES else "other"
