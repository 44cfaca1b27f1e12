"""The Celery application and its two queues."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import urlsplit

import structlog
from celery import Celery
from celery.result import AsyncResult

from models.manifest import load_manifest
from settings import Settings
from workers import broker
from workers.connect import broker_of, connect
from workers.waiting import Waiting

REQUEST_ID = "assay_request_id"
"""The header of a task that tells which request to the API it is for."""
SOFT_TIME_LIMIT = 60
"""Seconds after which a task puts back what it has not begun."""
HARD_TIME_LIMIT = 75
"""Seconds after which its process is killed; below the longest that a lease is renewed."""
VISIBILITY_TIMEOUT = 100
"""Seconds after which a task of a worker that vanished is delivered again."""

REDIS_OPTIONS = {
    "visibility_timeout": VISIBILITY_TIMEOUT,
    # Somebody waits for `interactive`: look there first, every time.
    "queue_order_strategy": "priority",
    # Look for such tasks every ten seconds; by itself kombu does so every hundred, and lets a
    # worker that is killed while it looks keep the others from it for five minutes.
    "unacked_restore_throttle": 1,
    "unacked_mutex_expire": 30,
}
"""What makes a Redis the broker that Assay expects."""

AMQP_OPTIONS = {
    # Else what is sent to a broker that just died is lost, and nobody is told.
    "confirm_publish": True,
}
"""The same for RabbitMQ, which by itself delivers again when the connection to a worker ends."""

HEARTBEAT = 30
"""Seconds between signs of life to RabbitMQ; it gives a worker up that misses two of them."""


def prefix(settings: Settings) -> str:
    """Return what the names of a Redis broker's keys begin with.

    Every model version has queues of its own, for its workers cannot do another's checks.
    """
    return f"assay:celery:{_version(settings)}:"


def _version(settings: Settings) -> str:
    return load_manifest().version_with(settings.second_look)


class Application(Celery):
    """A Celery that notes what it sends: when, and for whose request.

    Args:
        waiting: holds the notes.
        broker: its URL.
    """

    def __init__(self, waiting: Waiting, broker: str) -> None:
        super().__init__("assay", broker=broker)
        self.waiting = waiting

    def send_task(self, name: str, *args: Any, **options: Any) -> AsyncResult[Any]:
        """Send a task, as Celery's own method does."""
        task_id = options.setdefault("task_id", uuid.uuid4().hex)
        request_id = structlog.contextvars.get_contextvars().get("request_id")
        if request_id is not None:
            options["headers"] = {REQUEST_ID: request_id}
        self.waiting.sent(options.get("queue", self.conf.task_default_queue), task_id)
        return super().send_task(name, *args, **options)


def make_celery(settings: Settings) -> Application:
    """Make the application for these settings.

    Raises:
        ValueError: no Redis is set.
        models.manifest.WeightsError: the weights' manifest cannot be read.
    """
    if settings.redis_url is None:
        raise ValueError("ASSAY_REDIS_URL is not set")
    url = settings.broker_url or settings.redis_url
    broker.register()
    location, options = broker_of(url)
    over_amqp = urlsplit(url).scheme in ("amqp", "amqps")
    options |= (
        AMQP_OPTIONS if over_amqp else {**REDIS_OPTIONS, "global_keyprefix": prefix(settings)}
    )
    celery = Application(Waiting(connect(settings.redis_url), _version(settings)), location)
    celery.conf.update(
        task_default_queue="interactive",
        task_ignore_result=True,  # results go to the store
        # A task is acknowledged when it is done, so that a killed worker's task runs elsewhere.
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        # A process holds no task but the one it runs, so that none waits behind a slow one. With
        # RabbitMQ the first line does that, as tasks are acknowledged late.
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=not over_amqp,
        task_soft_time_limit=SOFT_TIME_LIMIT,
        task_time_limit=HARD_TIME_LIMIT,
        broker_connection_retry_on_startup=True,
        # A Redis whose memory or disk is full refuses even acknowledgements: no reason to end.
        broker_channel_error_retry=True,
        broker_transport_options=options,
        broker_heartbeat=HEARTBEAT,
        worker_proc_alive_timeout=60,  # loading the members can take its time on a busy machine
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        enable_utc=True,
    )
    return celery
