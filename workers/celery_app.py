"""The Celery application: its broker, its two queues and their limits."""

from __future__ import annotations

import uuid
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import structlog
from celery import Celery
from celery.result import AsyncResult
from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import redis as redis_transport
from redis import Redis

from models.manifest import load_manifest
from settings import Settings
from workers.storage import keys
from workers.storage.connection import broker_of
from workers.telemetry.queue_latency import QueueLatency

REQUEST_ID = "assay_request_id"
"""The header of a task that names the API request it is for."""
SOFT_TIME_LIMIT = 60
"""Seconds after which a task requeues what it has not begun."""
HARD_TIME_LIMIT = 75
"""Seconds after which its process is killed; below the longest that a lease is renewed."""
VISIBILITY_TIMEOUT = 100
"""Seconds after which the task of a worker that vanished is delivered again."""

REDIS_OPTIONS = {
    "visibility_timeout": VISIBILITY_TIMEOUT,
    # People wait for `interactive`: look there first, every time.
    "queue_order_strategy": "priority",
    # Look for undelivered tasks every ten seconds. By default kombu does so every hundred, and lets
    # a worker that is killed while it looks block the others for five minutes.
    "unacked_restore_throttle": 1,
    "unacked_mutex_expire": 30,
}
"""Transport options for Redis."""

AMQP_OPTIONS = {
    # Otherwise a message sent to a broker that just died is lost without an error.
    "confirm_publish": True,
}
"""Transport options for RabbitMQ, which redelivers when the connection to a worker ends."""

HEARTBEAT = 30
"""Seconds between heartbeats to RabbitMQ; it drops a worker that misses two of them."""


class Application(Celery):
    """A Celery that records when it sends a task, and for which request.

    Args:
        queue_latency: keeps the times.
        broker: its URL.
    """

    def __init__(self, queue_latency: QueueLatency, broker: str) -> None:
        super().__init__("assay", broker=broker)
        self.queue_latency = queue_latency

    def send_task(self, name: str, *args: Any, **options: Any) -> AsyncResult[Any]:
        """Send a task, as Celery's own method does."""
        task_id = options.setdefault("task_id", uuid.uuid4().hex)
        request_id = structlog.contextvars.get_contextvars().get("request_id")
        if request_id is not None:
            options["headers"] = {REQUEST_ID: request_id}
        self.queue_latency.sent(options.get("queue", self.conf.task_default_queue), task_id)
        return super().send_task(name, *args, **options)


def make_celery(settings: Settings, redis: Redis) -> Application:
    """Make the application for these settings.

    Args:
        settings: the settings; ``redis_url`` is set.
        redis: a client of the Redis that they name.

    Raises:
        models.manifest.WeightsError: the weights' manifest cannot be read.
    """
    url = settings.broker_url or str(settings.redis_url)
    version = load_manifest().version_for(settings.second_look)
    _register_transports()
    location, options = broker_of(url)
    over_amqp = urlsplit(url).scheme in ("amqp", "amqps")
    options |= (
        AMQP_OPTIONS
        if over_amqp
        else {**REDIS_OPTIONS, "global_keyprefix": keys.broker_prefix(version)}
    )
    celery = Application(QueueLatency(redis, version), location)
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
        # A Redis whose memory or disk is full refuses even acknowledgements; the worker stays.
        broker_channel_error_retry=True,
        broker_transport_options=options,
        broker_heartbeat=HEARTBEAT,
        worker_proc_alive_timeout=60,  # loading the models can take long on a busy machine
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        enable_utc=True,
    )
    return celery


class _Channel(redis_transport.Channel):
    """A channel with one client, that can be closed when its Redis has gone.

    A worker that loses its broker closes the channel and reconnects. But closing a channel that was
    waiting for a task fails (kombu 5.7), because it reads from the lost connection first. Then the
    transport is taken from the open channel, requeueing or acknowledging a task over it raises an
    AttributeError, and Celery ends the worker.

    kombu makes a client for each message, which takes longer than to send it.
    """

    @cached_property
    def _client(self) -> Redis:
        client: Redis = super()._create_client()  # type: ignore[misc]  # the stubs lack it
        return client

    def _create_client(self, *, asynchronous: bool = False) -> Redis:
        if not asynchronous:
            return self._client
        client: Redis = super()._create_client(asynchronous=True)  # type: ignore[misc]
        return client

    def close(self) -> None:
        """Close the channel; try again if it was waiting, because after a failure it is not."""
        try:
            super().close()
        except self.connection.connection_errors:
            super().close()


class SentinelChannel(_Channel, redis_transport.SentinelChannel):
    """The same for a Redis behind Sentinels."""


class Transport(redis_transport.Transport):
    """The transport for one Redis."""

    Channel = _Channel


class SentinelTransport(redis_transport.SentinelTransport):
    """The transport for a Redis behind Sentinels."""

    Channel = SentinelChannel


def _register_transports() -> None:
    """Have kombu use these transports for Redis URLs."""
    TRANSPORT_ALIASES.update(
        redis=f"{__name__}:Transport",
        rediss=f"{__name__}:Transport",
        sentinel=f"{__name__}:SentinelTransport",
    )
