"""One line of JSON a log event, on standard error, for API and workers alike."""

from __future__ import annotations

import io
import logging
import sys
from contextlib import suppress
from typing import TextIO

import structlog

from settings import Settings


def configure_logs(settings: Settings) -> None:
    """Send structlog's events, and the standard library's, to standard error as JSON lines."""
    logging.basicConfig(level=settings.log_level, format="%(message)s", stream=sys.stderr)
    for chatty in ("celery.worker.strategy", "celery.app.trace"):  # two lines a task
        logging.getLogger(chatty).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        logger_factory=structlog.PrintLoggerFactory(_Unfailing(sys.stderr)),
        cache_logger_on_first_use=True,
    )


class _Unfailing(io.TextIOBase):
    """A stream whose disk may be full: a line that cannot be written is lost, and not the work."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()
