"""Server-sent events (WHATWG HTML §9.2): a long response that reports events as they happen."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import structlog
from flask import Response, request
from kombu.exceptions import OperationalError
from redis import RedisError

from backend.drain import draining

MEDIA_TYPE = "text/event-stream"
DONE = "done"
"""The type and the id of the last event."""
HEARTBEAT = 15.0
"""Seconds without an event after which a comment keeps proxies from closing the connection."""
MAX_STREAM_SECONDS = 600.0
"""A stream ends after this time. The client reconnects and continues."""
RECONNECT_AFTER = 2000
"""Milliseconds that a client should wait before it reconnects."""
EVENTS: dict[str, Any] = {
    "description": "Server-sent events; 204 if the client has seen the last one.",
    "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
}
"""The OpenAPI description of such a response."""

_LINE_BREAK = re.compile(r"\r\n|\r|\n")

log = structlog.get_logger()


@dataclass(frozen=True)
class Event:
    """One event.

    Attributes:
        name: its type.
        data: any text; here, JSON.
        id: a reconnecting client sends it as ``Last-Event-ID``. It has no line breaks or NUL.
    """

    name: str
    data: str
    id: str | None = None

    def encode(self) -> bytes:
        """Return the event in its wire format."""
        lines = [f"id: {self.id}"] if self.id is not None else []
        lines += [
            f"event: {self.name}",
            *(f"data: {line}" for line in _LINE_BREAK.split(self.data)),
        ]
        return ("\n".join(lines) + "\n\n").encode()


def last_event_id() -> str:
    """Return the id of the last event that the client has seen; empty if it saw none."""
    return request.headers.get("Last-Event-ID", "")


def event_stream(events: Iterator[Event | None]) -> Response:
    """Make a response that streams events, or 204 if the client has seen the last one.

    A client reconnects whenever a stream ends. Status 204 makes it stop.

    Args:
        events: the events; None every few seconds without one.
    """
    if last_event_id() == DONE:
        return Response(status=204)
    return Response(
        _frames(events),
        content_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def _frames(events: Iterator[Event | None]) -> Iterator[bytes]:
    started = sent = time.monotonic()
    yield f"retry: {RECONNECT_AFTER}\n\n".encode()
    try:
        for event in events:
            now = time.monotonic()
            if event is not None:
                yield event.encode()
                sent = now
            elif now - sent >= HEARTBEAT:
                yield b":\n\n"
                sent = now
            if now - started >= MAX_STREAM_SECONDS or draining():
                return
    except (RedisError, OperationalError) as error:
        # The client reconnects and then gets a problem document.
        log.warning("events_interrupted", error=type(error).__name__)
