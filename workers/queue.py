"""Jobs, and how they get into the queues. Light: the API imports this and not the tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict

if TYPE_CHECKING:  # a client needs the names below, and not Celery
    from celery import Celery

Queue = Literal["interactive", "bulk"]
QUEUES: tuple[Queue, ...] = ("interactive", "bulk")
"""All queues; somebody waits for the first, so it goes first."""

JUDGE = "assay.judge"
"""The name of the task that judges a batch of jobs."""
TURN = "assay.turn"
"""The name of the task that judges some items of the scans."""

BATCH: dict[Queue, int] = {"interactive": 4, "bulk": 16}
"""URLs a task: few where a person waits and all processes should share the work at once, more
where a task's overhead counts."""


CONFIRM_TIMEOUT = 3
"""Seconds that a broker which confirms what it was sent may take for it."""


class Job(TypedDict):
    """One address to be judged; plain JSON, for it travels through the broker."""

    address: str
    since: float
    """Unix time; what was known before this does not count."""
    referer: str | None
    queue: Queue


def depth(celery: Celery, queue: Queue) -> int:
    """Return how many tasks wait in a queue, by asking the broker, whichever it is.

    Raises:
        kombu.exceptions.OperationalError: the broker cannot be reached.
    """
    from kombu.exceptions import OperationalError
    from kombu.transport import virtual

    with celery.connection_for_read(connect_timeout=CONFIRM_TIMEOUT) as connection:
        try:
            channel: Any = connection.channel()
            # In Redis, kombu looks for a queue under a wrong key before it would count it; but to
            # declare one makes nothing there.
            passive = not isinstance(channel, virtual.Channel)
            return int(channel.queue_declare(queue, passive=passive).message_count)
        except connection.channel_errors:
            return 0  # nothing was ever put into it
        except connection.connection_errors as error:
            raise OperationalError(str(error)) from error


def enqueue(celery: Celery, jobs: Sequence[Job], queue: Queue) -> None:
    """Put jobs into a queue.

    Raises:
        kombu.exceptions.OperationalError: the broker cannot be reached.
    """
    size = BATCH[queue]
    for start in range(0, len(jobs), size):
        celery.send_task(
            JUDGE,
            args=[list(jobs[start : start + size])],
            queue=queue,
            confirm_timeout=CONFIRM_TIMEOUT,
        )
