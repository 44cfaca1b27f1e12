"""Problem documents (RFC 9457): the only place where an error becomes an HTTP response."""

from __future__ import annotations

import errno

import structlog
from flask import Flask, Response
from gunicorn.http.errors import ParseException
from kombu.exceptions import OperationalError
from pydantic import BaseModel, Field
from redis import RedisError
from redis.exceptions import OutOfMemoryError, RedisClusterException
from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES

from backend.middleware.request_log import request_id

log = structlog.get_logger()

RETRY_AFTER = 3
"""Seconds after which a client may retry if Redis, the broker or disk space is missing. It is less
than the keep-alive time, so that the server is not closing the connection that a client reuses."""
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
PROBLEM_TYPE = "application/problem+json"


class InvalidField(BaseModel):
    """One error of a request."""

    field: str = Field(
        description="Where: `body.urls.3`, `query.wait`, `line 7` of a list; `body` for the whole."
    )
    detail: str


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    type: str = "about:blank"
    title: str = Field(description="The phrase of the HTTP status.")
    status: int
    detail: str = Field(description="What went wrong, as a sentence.")
    errors: list[InvalidField] | None = None
    request_id: str | None = Field(
        default=None, description="The request's id in the service's logs."
    )


class InvalidRequestError(Exception):
    """A request is not valid for its call.

    Args:
        field: the invalid part: ``body.urls.3``, ``line 3``.
        detail: a sentence.
        status: 422 if the request could be parsed, 400 if not.
    """

    def __init__(self, field: str, detail: str, *, status: int = 422) -> None:
        super().__init__(f"{field}: {detail}")
        self.field = field
        self.detail = detail
        self.status = status


def problem(status: int, detail: str, errors: list[InvalidField] | None = None) -> Response:
    """Make a problem document."""
    body = Problem(
        title=HTTP_STATUS_CODES[status],
        status=status,
        detail=detail,
        errors=errors,
        request_id=request_id(),
    )
    return Response(body.model_dump_json(exclude_none=True), status, content_type=PROBLEM_TYPE)


def unavailable(detail: str) -> Response:
    """Make a 503 response with Retry-After."""
    response = problem(503, detail)
    response.headers["Retry-After"] = str(RETRY_AFTER)
    return response


def register(app: Flask) -> None:
    """Turn every error of the application into a problem document."""

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        if error.response is not None:  # made by `validation.invalid`
            return error.response  # type: ignore[return-value]  # a werkzeug response at least
        response = problem(error.code or 500, error.description or "")
        for name, value in error.get_headers():
            if name.lower() in ("allow", "retry-after", "www-authenticate"):
                response.headers[name] = value
        return response

    @app.errorhandler(InvalidRequestError)
    def invalid_request(error: InvalidRequestError) -> Response:
        errors = [InvalidField(field=error.field, detail=error.detail)]
        return problem(error.status, str(error), errors)

    @app.errorhandler(OutOfMemoryError)
    def store_is_full(_error: OutOfMemoryError) -> Response:
        log.error("store_full")
        return unavailable("Assay's store is full. Lookups still work.")

    @app.errorhandler(RedisError)
    @app.errorhandler(RedisClusterException)  # no node answers; not a RedisError
    @app.errorhandler(OperationalError)
    def store_is_unavailable(error: Exception) -> Response:
        log.warning("store_unavailable", error=type(error).__name__)
        return unavailable("Assay cannot reach its store.")

    @app.errorhandler(OSError)
    def disk_is_full(error: OSError) -> Response:
        if error.errno not in _DISK_FULL:
            return internal_error(error)
        log.warning("disk_full")
        return unavailable("Assay's disk is full. Uploads do not work.")

    @app.errorhandler(ParseException)
    def not_http(_error: ParseException) -> Response:
        """Refuse a chunk with an invalid length, found while the body is read."""
        return problem(400, "The request is not valid HTTP.")

    @app.errorhandler(Exception)
    def internal_error(_error: Exception) -> Response:
        log.exception("request_failed")
        return problem(500, "Assay failed on this request. Its log has the reason.")
