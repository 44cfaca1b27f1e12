"""Request logging: every request gets an id, one log event, and metrics.

No event holds a path, query, header or name that a client sent, except the `X-Request-ID` and the
API key's public id. The route says which call it was.
"""

from __future__ import annotations

import re
import time
import uuid
from functools import partial

import structlog
from flask import Flask, Response, g, has_request_context, request

from backend.middleware.auth import caller
from workers.telemetry.metrics import meter

HEADER = "X-Request-ID"
_VALID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})

log = structlog.get_logger()


def register(app: Flask) -> None:
    """Give every request an id, and log it when its response has been sent."""

    @app.before_request
    def begin() -> None:
        g.began = time.perf_counter()
        g.request_id = begin_request(request.headers.get(HEADER, ""))

    @app.after_request
    def end(response: Response) -> Response:
        response.headers[HEADER] = g.request_id
        route = request.url_rule.rule if request.url_rule else "none"
        response.call_on_close(
            partial(record, g.began, request.method, route, response.status_code, caller().id)
        )
        return response


def begin_request(given: str) -> str:
    """Return a request's id, which all events that follow in this context have.

    Args:
        given: the id that the client sent; it is replaced if it is not valid.
    """
    request_id = given if _VALID.fullmatch(given) else uuid.uuid4().hex
    # The requests of one connection share a context, one after the other.
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id)
    return request_id


def request_id() -> str | None:
    """Return the id of the current request; None outside a request."""
    found: str | None = g.get("request_id") if has_request_context() else None
    return found


def record(began: float, method: str, route: str, status: int, caller_id: str) -> None:
    """Log and count a request whose answer has been sent.

    Args:
        began: when its head was read (`time.perf_counter`).
        method: its method.
        route: the rule of its path.
        status: of the answer.
        caller_id: the API key's public id; empty without a key.
    """
    seconds = time.perf_counter() - began
    method = method if method in _METHODS else "other"
    meter.count("http_requests", method=method, route=route, status=str(status))
    meter.observe("http_request_seconds", seconds, route=route)
    write = log.debug if route in _QUIET else log.info
    write(
        "request",
        method=method,
        route=route,
        status=status,
        ms=round(1000 * seconds, 1),
        caller=caller_id,
    )
