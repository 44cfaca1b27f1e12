"""Scans: many images under one id, judged after everyone who waits."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import suppress

import structlog
from flask import Response, request
from redis import RedisError
from werkzeug.exceptions import NotAcceptable, NotFound, ServiceUnavailable

from backend import scanning
from backend.auth import caller
from backend.events import EVENTS, event_stream, last_event_id
from backend.formats import CSV_TYPE, JSON_LINES_TYPE, Csv, Format, JsonLines
from backend.intake import LARGEST_BODY, Body, read_items, receive
from backend.limits import charge
from backend.openapi import calls
from backend.problems import RETRY_AFTER, InvalidRequestError, Problem, problem
from backend.schemas.scans import (
    REQUEST_BODY,
    RESULTS,
    CreateHeader,
    CreateQuery,
    ResultsQuery,
    ScanPath,
    ScanReply,
)
from backend.services import services
from workers.scans import Request, ScanItem, ScanLostError, ScanSummary

log = structlog.get_logger()

blueprint = calls("scans", "Many images under one id, judged after everyone who waits.")

ASK_AGAIN_AFTER = 2
"""Seconds after which it is worth asking again how far a scan is."""
_JSON_LINES_TYPES = (JSON_LINES_TYPE, "application/x-ndjson", "application/json")


@blueprint.before_request
def allow_a_long_list() -> None:
    """Let these calls' bodies be larger than the others'."""
    request.max_content_length = LARGEST_BODY


@blueprint.post(
    "/scans",
    responses={202: ScanReply, 409: Problem, 413: Problem, 415: Problem, 429: Problem},
    openapi_extensions={"requestBody": REQUEST_BODY},
)
def create_scan(query: CreateQuery, header: CreateHeader) -> Response:
    """Begin a scan of up to 50,000 URLs, given as JSON, JSON Lines, CSV or text."""
    scan_id = uuid.uuid4().hex
    with receive(request) as body:
        key = header.idempotency_key
        if key and (earlier := _earlier(key, body, scan_id)):
            return _again(earlier, body)
        try:
            items, force = read_items(body, query.column, force=query.force)
            summary = services().scans.create(scan_id, owner=caller().id, force=force, items=items)
        except BaseException as error:
            with suppress(RedisError):  # then a sweep does it
                services().scans.delete(scan_id)
            if isinstance(error, ScanLostError):
                raise ServiceUnavailable(
                    "Assay is too slow just now.", retry_after=RETRY_AFTER
                ) from error
            raise
    log.info("scan_created", scan_id=scan_id, items=summary.total)
    with suppress(RedisError):  # the scan is made; workers see to it by themselves, only later
        services().turns.top_up()
    return _begun(summary)


def _paid(items: Iterator[ScanItem]) -> Iterator[ScanItem]:
    """Hand the items on, and charge the caller when all are there: before the scan begins."""
    count = 0
    for item in items:
        yield item
        count += 1
    charge(count)


def _earlier(key: str, body: Body, scan_id: str) -> Request | None:
    """Return what the caller's idempotency key stands for, if it is not new."""
    # A structured field's string (RFC 9651) is quoted; most clients send it bare.
    bare = key[1:-1] if len(key) > 2 and key[0] == key[-1] == '"' else key
    return services().scans.claim_key(caller().id, bare, body.fingerprint, scan_id)


def _again(earlier: Request, body: Body) -> Response:
    """Answer a request whose idempotency key came before."""
    if earlier.fingerprint != body.fingerprint:
        raise InvalidRequestError(
            "header.Idempotency-Key", "The key came before, with another request."
        )
    summary = services().scans.summary(earlier.scan_id)
    if summary is not None:
        return _begun(summary)
    answer = problem(409, "The same request is just being dealt with.")
    answer.headers["Retry-After"] = str(RETRY_AFTER)
    return answer


@blueprint.get("/scans/<id>", responses={200: ScanReply, 404: Problem})
def get_scan(path: ScanPath) -> Response:
    """Tell how far a scan is."""
    return _reply(_scan(path.id), 200)


@blueprint.delete("/scans/<id>", responses={200: ScanReply, 404: Problem})
def cancel_scan(path: ScanPath) -> Response:
    """Cancel what of a scan has not begun; what is under way is finished."""
    _scan(path.id)
    summary = services().scans.cancel(path.id)
    if summary is None:
        raise _not_found()
    return _reply(summary, 200)


@blueprint.get("/scans/<id>/results", responses={200: RESULTS, 404: Problem, 406: Problem})
def get_results(path: ScanPath, query: ResultsQuery) -> Response:
    """Download a scan's results, one a line; those that are there while it runs, too."""
    _scan(path.id)
    media_type, suffix, form = _form(query)
    answer = Response(
        scanning.results(services().scans, path.id, query, form), content_type=media_type
    )
    answer.headers["Content-Disposition"] = f'attachment; filename="scan-{path.id}.{suffix}"'
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["Vary"] = "Accept"
    answer.headers["X-Accel-Buffering"] = "no"
    return answer


@blueprint.get("/scans/<id>/events", responses={200: EVENTS, 204: None, 404: Problem})
def get_scan_events(path: ScanPath) -> Response:
    """Follow a scan: `result` for each item that ends, `progress` with the counts, then `done`."""
    _scan(path.id)
    seen = last_event_id()
    start = int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 10 else 0
    return event_stream(scanning.scan_events(services().scans, path.id, start))


def _scan(scan_id: str) -> ScanSummary:
    """Return the caller's own scan."""
    summary = services().scans.summary(scan_id)
    if summary is None or summary.owner != caller().id:
        raise _not_found()
    return summary


def _not_found() -> NotFound:
    return NotFound("There is no such scan, or its results have expired.")


def _begun(summary: ScanSummary) -> Response:
    answer = _reply(summary, 202)
    answer.headers["Location"] = f"/v1/scans/{summary.id}"
    return answer


def _reply(summary: ScanSummary, status: int) -> Response:
    body = ScanReply.of(summary, time.time())
    answer = Response(body.model_dump_json(), status, content_type="application/json")
    if summary.pending:
        answer.headers["Retry-After"] = str(ASK_AGAIN_AFTER)
    return answer


def _form(query: ResultsQuery) -> tuple[str, str, Format]:
    """Return the results' media type, the suffix of their file's name, and how they are written."""
    wanted = query.format
    if wanted is None and request.accept_mimetypes:
        best = request.accept_mimetypes.best_match([*_JSON_LINES_TYPES, "text/csv"])
        if best is None:
            raise NotAcceptable(f"There is {JSON_LINES_TYPE} and text/csv.")
        wanted = "csv" if best == "text/csv" else "jsonl"
    if wanted == "csv":
        return CSV_TYPE, "csv", Csv(more=("index", "custom_id"))
    return JSON_LINES_TYPE, "jsonl", JsonLines()
