"""What is told of every request: an id, one event in the log, and figures.

No event holds a path, a query, a header or a name that a client gave, but for its `X-Request-ID`
and its key's public id: the route tells what was asked for.
"""

from __future__ import annotations

import re
import time
import uuid
from functools import partial

import structlog
from flask import Flask, Response, g, has_request_context, request

from backend.auth import caller
from workers.metrics import meter

HEADER = "X-Request-ID"
_VALID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})

log = structlog.get_logger()


def register(app: Flask) -> None:
    """Give every request an id, and tell of it when its answer has been sent."""

    @app.before_request
    def begin() -> None:
        g.began = time.perf_counter()
        given = request.headers.get(HEADER, "")
        g.request_id = given if _VALID.fullmatch(given) else uuid.uuid4().hex
        # A connection's requests share a context, one after the other.
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=g.request_id)

    @app.after_request
    def end(answer: Response) -> Response:
        answer.headers[HEADER] = g.request_id
        route = request.url_rule.rule if request.url_rule else "none"
        answer.call_on_close(
            partial(_tell, g.began, request.method, route, answer.status_code, caller().id)
        )
        return answer


def request_id() -> str | None:
    """Return the id of the request that is being handled, if one is."""
    found: str | None = g.get("request_id") if has_request_context() else None
    return found


def _tell(began: float, method: str, route: str, status: int, caller_id: str) -> None:
    seconds = time.perf_counter() - began
    method = method if method in _METHODS else "other"
    meter.count("http_requests", method=method, route=route, status=str(status))
    meter.observe("http_request_seconds", seconds, route=route)
    tell = log.debug if route in _QUIET else log.info
    tell(
        "request",
        method=method,
        route=route,
        status=status,
        ms=round(1000 * seconds, 1),
        caller=caller_id,
    )
