"""Scans: many images under one id, processed after interactive checks."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import suppress

import structlog
from flask import Response, request
from redis import RedisError
from werkzeug.exceptions import NotAcceptable, NotFound, ServiceUnavailable

from backend import scan_service
from backend.events import EVENTS, event_stream, last_event_id
from backend.formats import CSV_TYPE, JSON_LINES_TYPE, Csv, Format, JsonLines
from backend.middleware.auth import caller
from backend.middleware.problems import RETRY_AFTER, InvalidRequestError, Problem, problem
from backend.middleware.quotas import budget, charge
from backend.openapi import calls
from backend.scan_parser import MAX_BODY, Body, parse_scan, receive
from backend.schemas.scans import (
    REQUEST_BODY,
    RESULTS,
    CreateHeader,
    CreateQuery,
    ListQuery,
    ResultsQuery,
    ScanList,
    ScanPath,
    ScanReply,
)
from backend.services import services
from workers.fetching import FetchError
from workers.storage.scans.creating import ScanLostError
from workers.storage.scans.records import Request, ScanItem, ScanSummary, Webhook
from workers.webhooks.message import new_secret

log = structlog.get_logger()

blueprint = calls("scans", "Many images under one id, processed after interactive checks.")

POLL_AFTER = 2
"""Seconds after which a client should ask again for a running scan."""
_JSON_LINES_TYPES = (JSON_LINES_TYPE, "application/x-ndjson", "application/json")


@blueprint.before_request
def allow_a_long_list() -> None:
    """Raise the limit of the body's size for these calls."""
    request.max_content_length = MAX_BODY


@blueprint.post(
    "/scans",
    responses={
        202: ScanReply,
        400: Problem,
        409: Problem,
        413: Problem,
        415: Problem,
        429: Problem,
    },
    openapi_extensions={"requestBody": REQUEST_BODY},
)
def create_scan(query: CreateQuery, header: CreateHeader) -> Response:
    """Create a scan of up to 50,000 images or 5,000 pages, as JSON, JSON Lines, CSV or text."""
    scan_id = uuid.uuid4().hex
    with receive(request) as body:
        key = header.idempotency_key
        if key and (earlier := _claim_key(key, body, scan_id)):
            return _repeat(earlier, body)
        try:
            parsed = parse_scan(
                body, query.column, force=query.force, webhook=query.webhook, kind=query.kind
            )
            webhook = _webhook(parsed.webhook, "body" if query.webhook is None else "query")
            summary = services().stores.scans.creator.create(
                scan_id,
                owner=caller().id,
                force=parsed.force,
                items=_charged(parsed.items),
                kind=parsed.kind,
                budget=budget() if parsed.kind == "pages" else None,
                webhook=webhook,
            )
        except BaseException as error:
            with suppress(RedisError):  # else maintenance deletes it
                services().stores.scans.lifecycle.delete(scan_id)
            if isinstance(error, ScanLostError):
                raise ServiceUnavailable(
                    "Assay is too slow at the moment.", retry_after=RETRY_AFTER
                ) from error
            raise
    log.info("scan_created", scan_id=scan_id, items=summary.total)
    with suppress(RedisError):  # the scan exists; workers find it themselves, only later
        services().dispatcher.top_up()
    return _created(summary)


def _webhook(url: str | None, part: str) -> Webhook | None:
    """Validate a webhook's URL, without resolving its host, and make its secret.

    Raises:
        InvalidRequestError: the URL is not allowed.
    """
    if url is None:
        return None
    try:
        return Webhook(services().webhook_url(url), new_secret())
    except FetchError as error:
        raise InvalidRequestError(f"{part}.webhook", error.detail) from error


def _charged(items: Iterator[ScanItem]) -> Iterator[ScanItem]:
    """Yield the items, and then charge the caller, before the scan starts.

    An invalid list is refused before it costs anything.
    """
    count = 0
    for item in items:
        yield item
        count += 1
    charge(count)


def _claim_key(key: str, body: Body, scan_id: str) -> Request | None:
    """Claim an idempotency key; return the earlier request with the same key, if there is one."""
    # A string of a structured field (RFC 9651) is quoted. Most clients send it without quotes.
    bare = key[1:-1] if len(key) > 2 and key[0] == key[-1] == '"' else key
    return services().stores.scans.creator.claim_key(caller().id, bare, body.fingerprint, scan_id)


def _repeat(earlier: Request, body: Body) -> Response:
    """Make the response to a request whose idempotency key was used before."""
    if earlier.fingerprint != body.fingerprint:
        raise InvalidRequestError("header.Idempotency-Key", "The key was used for another request.")
    summary = services().stores.scans.reader.summary(earlier.scan_id)
    if summary is not None:
        return _created(summary)
    response = problem(409, "The same request is being processed.")
    response.headers["Retry-After"] = str(RETRY_AFTER)
    return response


@blueprint.get("/scans", responses={200: ScanList})
def list_scans(query: ListQuery) -> Response:
    """List your scans, the newest first."""
    owner = caller().id
    found, following = services().stores.scans.reader.summaries(
        owner, before=query.before, count=query.limit
    )
    now = time.time()
    body = ScanList(
        # The store returns only the caller's own scans; this makes sure.
        scans=[ScanReply.of(each, now) for each in found if each.owner == owner],
        next=f"/v1/scans?limit={query.limit}&before={following}" if following else None,
    )
    return Response(body.model_dump_json(), content_type="application/json")


@blueprint.get("/scans/<id>", responses={200: ScanReply, 404: Problem})
def get_scan(path: ScanPath) -> Response:
    """Return a scan's progress."""
    return _reply(find_scan(path.id), 200)


@blueprint.delete("/scans/<id>", responses={200: ScanReply, 404: Problem})
def cancel_scan(path: ScanPath) -> Response:
    """Cancel the items of a scan that are not started. Started items are finished."""
    find_scan(path.id)
    summary = services().stores.scans.lifecycle.cancel(path.id)
    if summary is None:
        raise _not_found()
    return _reply(summary, 200)


@blueprint.get("/scans/<id>/results", responses={200: RESULTS, 404: Problem, 406: Problem})
def get_results(path: ScanPath, query: ResultsQuery) -> Response:
    """Download a scan's results, one per line, also while it runs."""
    media_type, suffix, output = _format(query, find_scan(path.id))
    lines = scan_service.results(services().stores.scans, path.id, query, output)
    response = Response(lines, content_type=media_type)
    response.headers["Content-Disposition"] = f'attachment; filename="scan-{path.id}.{suffix}"'
    response.headers["Cache-Control"] = "no-store"
    response.headers["Vary"] = "Accept"
    response.headers["X-Accel-Buffering"] = "no"
    return response


@blueprint.get("/scans/<id>/events", responses={200: EVENTS, 204: None, 404: Problem})
def get_scan_events(path: ScanPath) -> Response:
    """Follow a scan: `result` events for finished items, `progress` with counts, then `done`."""
    find_scan(path.id)
    seen = last_event_id()
    start = int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 10 else 0
    return event_stream(scan_service.scan_events(services().stores.scans, path.id, start))


def find_scan(scan_id: str) -> ScanSummary:
    """Return the caller's scan.

    Raises:
        NotFound: there is none with this id, or it belongs to another caller.
    """
    summary = services().stores.scans.reader.summary(scan_id)
    if summary is None or summary.owner != caller().id:
        raise _not_found()
    return summary


def _not_found() -> NotFound:
    return NotFound("There is no such scan, or its results have expired.")


def _created(summary: ScanSummary) -> Response:
    """Make the response for a new scan, the only one with the secret of its webhook."""
    found = services().stores.scans.webhooks.read(summary.id) if summary.webhook else None
    response = _reply(summary, 202, secret=found[0].secret if found else None)
    response.headers["Location"] = f"/v1/scans/{summary.id}"
    return response


def _reply(summary: ScanSummary, status: int, *, secret: str | None = None) -> Response:
    body = ScanReply.of(summary, time.time())
    if body.webhook is not None:
        body.webhook.secret = secret
    response = Response(body.model_dump_json(), status, content_type="application/json")
    if summary.pending:
        response.headers["Retry-After"] = str(POLL_AFTER)
    return response


def _format(query: ResultsQuery, scan: ScanSummary) -> tuple[str, str, Format]:
    """Return the media type, the file name's suffix, and the output format of the results."""
    wanted = query.format
    if wanted is None and request.accept_mimetypes:
        best = request.accept_mimetypes.best_match([*_JSON_LINES_TYPES, "text/csv"])
        if best is None:
            raise NotAcceptable(f"Available: {JSON_LINES_TYPE} and text/csv.")
        wanted = "csv" if best == "text/csv" else "jsonl"
    if wanted == "csv":
        return CSV_TYPE, "csv", Csv(pages=scan.kind == "pages")
    return JSON_LINES_TYPE, "jsonl", JsonLines()
