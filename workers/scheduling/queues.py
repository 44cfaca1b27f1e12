"""The queues, and the jobs of checks that go into them. Light: the API imports this."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict

if TYPE_CHECKING:  # a client needs the names below, and not Celery
    from celery import Celery

Queue = Literal["interactive", "bulk"]
QUEUES: tuple[Queue, ...] = ("interactive", "bulk")
"""All queues. People wait for work in the first one, so it is served first."""

CHECK_TASK = "assay.check"
"""The name of the task that processes a batch of jobs."""
SCAN_TASK = "assay.scan"
"""The name of the dispatch task, which processes some items of the scans."""

EXPLAIN_TASK = "assay.explain"
"""The name of the task that draws where an image looks AI-made."""

BATCH: dict[Queue, int] = {"interactive": 4, "bulk": 16}
"""URLs per task: few where a person waits and all processes should share the work at once, more
where a task's overhead counts."""

CONFIRM_TIMEOUT = 3
"""Seconds that a broker may take to confirm a message."""
_TIMEOUTS = dict.fromkeys(
    ("socket_connect_timeout", "socket_timeout", "read_timeout", "write_timeout"), CONFIRM_TIMEOUT
)
"""The same, as options of kombu's transports for Redis and for RabbitMQ."""


class Job(TypedDict):
    """One address to process; plain JSON, because it travels through the broker."""

    address: str
    since: float
    """Unix s. A cache entry from before this is too old."""
    referer: str | None
    queue: Queue


class ExplanationJob(TypedDict):
    """One image to explain; plain JSON, because it travels through the broker."""

    id: str
    sha256: str
    """Of the bytes that have a verdict."""
    url: str | None
    """Where to fetch them; None if they were uploaded under the job's id."""
    referer: str | None
    deadline: float
    """Unix s. After this, nobody waits any more."""


def depth(celery: Celery, queue: Queue) -> int:
    """Return how many tasks wait in a queue, by asking the broker.

    Raises:
        kombu.exceptions.OperationalError: the broker cannot be reached, or does not answer in time.
    """
    from kombu.exceptions import OperationalError
    from kombu.transport import virtual

    with celery.connection_for_read(
        connect_timeout=CONFIRM_TIMEOUT, transport_options=_TIMEOUTS
    ) as connection:
        try:
            channel: Any = connection.channel()
            # With Redis, a passive declaration looks for the queue under a wrong key, and an active
            # one creates nothing.
            passive = not isinstance(channel, virtual.Channel)
            return int(channel.queue_declare(queue, passive=passive).message_count)
        except connection.channel_errors:
            return 0  # nothing was ever put into it
        except connection.connection_errors as error:
            raise OperationalError(str(error)) from error


def enqueue_explanation(celery: Celery, job: ExplanationJob) -> None:
    """Queue the drawing of an explanation.

    Raises:
        kombu.exceptions.OperationalError: the broker cannot be reached.
    """
    celery.send_task(EXPLAIN_TASK, args=[job], queue="interactive", confirm_timeout=CONFIRM_TIMEOUT)


def enqueue(celery: Celery, jobs: Sequence[Job], queue: Queue) -> None:
    """Put jobs into a queue.

    Raises:
        kombu.exceptions.OperationalError: the broker cannot be reached.
    """
    size = BATCH[queue]
    for start in range(0, len(jobs), size):
        celery.send_task(
            CHECK_TASK,
            args=[list(jobs[start : start + size])],
            queue=queue,
            confirm_timeout=CONFIRM_TIMEOUT,
        )
