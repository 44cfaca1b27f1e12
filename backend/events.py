"""Server-sent events (WHATWG HTML §9.2): a long answer that tells what happens as it happens."""

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
"""The name, and the id, of the last event."""
HEARTBEAT = 15.0
"""Seconds of silence after which a comment keeps proxies from closing the connection."""
LONGEST_STREAM = 600.0
"""Seconds after which a stream ends, so that the client connects anew and goes on."""
RECONNECT_AFTER = 2000
"""Milliseconds that a client should wait before it connects anew."""
EVENTS: dict[str, Any] = {
    "description": "Server-sent events, until all is known; 204 to who has seen the last one.",
    "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
}
"""What OpenAPI says of such an answer."""

_LINE_BREAK = re.compile(r"\r\n|\r|\n")

log = structlog.get_logger()


@dataclass(frozen=True)
class Event:
    """One event.

    Attributes:
        name: its type.
        data: any text; here, JSON.
        id: what a client that connects anew sends as ``Last-Event-ID``; without line breaks or NUL.
    """

    name: str
    data: str
    id: str | None = None

    def encode(self) -> bytes:
        """Write the event as it goes over the wire."""
        lines = [f"id: {self.id}"] if self.id is not None else []
        lines += [
            f"event: {self.name}",
            *(f"data: {line}" for line in _LINE_BREAK.split(self.data)),
        ]
        return ("\n".join(lines) + "\n\n").encode()


def last_event_id() -> str:
    """Return the id of the last event that the asking client has seen; empty if it saw none."""
    return request.headers.get("Last-Event-ID", "")


def event_stream(events: Iterator[Event | None]) -> Response:
    """Answer with events, unless the client has seen the last one.

    A client connects anew whenever a stream ends; 204 is what tells it to stop.

    Args:
        events: the events; None, every few seconds, where there is none.
    """
    if last_event_id() == DONE:
        return Response(status=204)
    return Response(
        _frames(events),
        content_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def _frames(events: Iterator[Event | None]) -> Iterator[bytes]:
    began = sent = time.monotonic()
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
            if now - began >= LONGEST_STREAM or draining():
                return
    except (RedisError, OperationalError) as error:
        # The client finds out when it connects anew, and is told so in a problem document.
        log.warning("events_interrupted", error=type(error).__name__)
