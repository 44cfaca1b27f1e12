"""Errors as problem documents (RFC 9457): the one place where an error becomes HTTP."""

from __future__ import annotations

import errno

import structlog
from flask import Flask, Response
from gunicorn.http.errors import ParseException
from kombu.exceptions import OperationalError
from pydantic import BaseModel, Field, ValidationError
from redis import RedisError
from redis.exceptions import OutOfMemoryError, RedisClusterException
from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES

from backend.observing import request_id

log = structlog.get_logger()

RETRY_AFTER = 3
"""Seconds after which a client may try again when Redis, the broker or room on the disk is away;
fewer than the server keeps a connection open, which it may be just closing else."""
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
PROBLEM_TYPE = "application/problem+json"
NOT_AN_OBJECT = "A JSON object is needed, with Content-Type: application/json."


class InvalidField(BaseModel):
    """One thing that is wrong with a request."""

    field: str = Field(description="Where, as `body.urls.3`; empty for the whole.")
    detail: str


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    type: str = "about:blank"
    title: str = Field(description="The HTTP status in words.")
    status: int
    detail: str = Field(description="What went wrong, for people.")
    errors: list[InvalidField] | None = None
    request_id: str | None = Field(
        default=None, description="By which the service's logs know the request."
    )


class InvalidRequestError(Exception):
    """A request is not of the form that its call takes.

    Args:
        field: what is wrong: ``body.urls.3``, ``line 3``.
        detail: a sentence for people.
    """

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(f"{field}: {detail}")
        self.field = field
        self.detail = detail


def problem(status: int, detail: str, errors: list[InvalidField] | None = None) -> Response:
    """Make the response for an error."""
    body = Problem(
        title=HTTP_STATUS_CODES[status],
        status=status,
        detail=detail,
        errors=errors,
        request_id=request_id(),
    )
    return Response(body.model_dump_json(exclude_none=True), status, content_type=PROBLEM_TYPE)


def later(detail: str) -> Response:
    """Make the response for what cannot be done now, and may be asked for again soon."""
    answer = problem(503, detail)
    answer.headers["Retry-After"] = str(RETRY_AFTER)
    return answer


def invalid_request(error: ValidationError) -> Response:
    """Tell what is wrong with a request, without repeating what was sent."""
    errors = [
        InvalidField(
            field=".".join(map(str, each["loc"])),
            detail=NOT_AN_OBJECT if each["type"] == "model_type" else each["msg"],
        )
        for each in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    return problem(422, "The request is not of the form that this call takes.", errors)


def register(app: Flask) -> None:
    """Turn every error of the application into a problem document."""

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        if error.response is not None:  # made by us, such as `invalid_request`
            return error.response  # type: ignore[return-value]  # a werkzeug response at least
        answer = problem(error.code or 500, error.description or "")
        for name, value in error.get_headers():
            if name.lower() in ("allow", "retry-after", "www-authenticate"):
                answer.headers[name] = value
        return answer

    @app.errorhandler(InvalidRequestError)
    def not_of_the_form(error: InvalidRequestError) -> Response:
        errors = [InvalidField(field=error.field, detail=error.detail)]
        return problem(422, str(error), errors)

    @app.errorhandler(OutOfMemoryError)
    def store_is_full(_error: OutOfMemoryError) -> Response:
        log.error("store_full")
        return later("Assay's store is full just now; what is known can be looked up.")

    @app.errorhandler(RedisError)
    @app.errorhandler(RedisClusterException)  # which is no RedisError: no node answers
    @app.errorhandler(OperationalError)
    def store_is_away(error: Exception) -> Response:
        log.warning("store_unavailable", error=type(error).__name__)
        return later("Assay cannot reach its store just now.")

    @app.errorhandler(OSError)
    def disk_is_full(error: OSError) -> Response:
        if error.errno not in _DISK_FULL:
            return bug(error)
        log.warning("disk_full")
        return later("Assay's disk is full; nothing can be uploaded just now.")

    @app.errorhandler(ParseException)
    def not_http(_error: ParseException) -> Response:
        """Found while the body was read: a chunk of a length that is none."""
        return problem(400, "The request breaks the rules of HTTP.")

    @app.errorhandler(Exception)
    def bug(_error: Exception) -> Response:
        log.exception("request_broke")
        return problem(500, "Assay failed on this request; its log tells why.")
