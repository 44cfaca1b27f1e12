"""Logs of the API and the workers: one line of JSON per event, on standard error.

No line holds a URL's query, because queries can hold secrets.
"""

from __future__ import annotations

import io
import json
import logging.config
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TextIO, cast

import orjson
import structlog
from structlog.typing import EventDict, Processor

from settings import Settings

_QUERY = re.compile(r"\?[^\s\"'`<>(){}\[\]|\\]+")


def without_queries(text: str) -> str:
    """Return the text with every URL's query removed."""
    return _QUERY.sub("?…", text) if "?" in text else text


def _remove_queries(_logger: object, _method: str, event: EventDict) -> EventDict:
    for name, value in event.items():
        if isinstance(value, str) and "?" in value:
            event[name] = without_queries(value)
    return event


def _as_json(event: EventDict, default: Callable[[Any], Any], **_: Any) -> str:
    """Write an event in ASCII; orjson is quicker, but leaves other characters as they are."""
    with suppress(TypeError):  # half of a surrogate pair, or a large number
        text = orjson.dumps(event, default=default).decode()
        if text.isascii():
            return text
    return json.dumps(event, default=default)


_ADDED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)
_RENDERED: tuple[Processor, ...] = (
    structlog.processors.format_exc_info,
    _remove_queries,
    structlog.processors.JSONRenderer(_as_json),
)
# These log two lines per task and, at DEBUG, a task's arguments, which hold queries.
_CHATTY = ("celery.worker.strategy", "celery.app.trace", "celery.pool")


def _formatter() -> logging.Formatter:
    """Make a formatter that writes the standard library's records like structlog's events."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_ADDED, structlog.stdlib.add_logger_name],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_RENDERED],
    )


def _logging(settings: Settings) -> dict[str, Any]:
    """Return the configuration for `logging.config`."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": _formatter}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "json",
                "stream": "ext://sys.stderr",
            }
        },
        "root": {"level": settings.log_level, "handlers": ["stderr"]},
        "loggers": {name: {"level": "WARNING"} for name in _CHATTY},
    }


def configure_logs(settings: Settings) -> None:
    """Send structlog's events, and the standard library's, to standard error as JSON lines."""
    logging.config.dictConfig(_logging(settings))
    logging.captureWarnings(True)
    structlog.configure(
        processors=[*_ADDED, *_RENDERED],
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, _LossyStream(sys.stderr))),
        cache_logger_on_first_use=True,
    )


class _LossyStream(io.TextIOBase):
    """A stream that ignores errors: on a full disk, a line is lost, and the work goes on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)  # it flushes after each line
        return len(text)
