"""Checks: images by their URLs, classified unless a verdict is cached."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit

import orjson
from flask import Response
from werkzeug.exceptions import NotFound

from backend.check_service import CheckService
from backend.events import DONE, EVENTS, Event, event_stream, last_event_id
from backend.items import Item
from backend.middleware.auth import caller
from backend.middleware.problems import Problem
from backend.middleware.quotas import charge
from backend.openapi import calls
from backend.schemas.checks import CheckBody, CheckPath, CheckQuery, CheckReply
from backend.services import services
from workers.storage.checks import CheckRecord

blueprint = calls("checks", "Images by their URLs, classified unless a verdict is cached.")

RETRY_AFTER = 1
"""Seconds after which a client should ask again for a pending check."""
_EVENT_ID = re.compile(r"[0-9a-f]{1,25}")  # a bit for each of at most 100 URLs


@blueprint.post("/checks", responses={200: CheckReply, 202: CheckReply, 429: Problem})
def create_check(body: CheckBody) -> Response:
    """Check images by their URLs. Cached verdicts are returned at once."""
    charge(len(body.urls), interactive=True)
    record = CheckRecord(
        urls=tuple(body.urls),
        created_at=time.time(),
        owner=caller().id,
        force=body.force,
        referer=origin_of(body.page),
    )
    return reply(*begin_check(record, body.wait))


@blueprint.get("/checks/<id>", responses={200: CheckReply, 202: CheckReply, 404: Problem})
def get_check(path: CheckPath, query: CheckQuery) -> Response:
    """Return a check's items."""
    return reply(path.id, services().checks.check(find_check(path.id), query.wait, first=False))


@blueprint.get("/checks/<id>/events", responses={200: EVENTS, 204: None, 404: Problem})
def get_check_events(path: CheckPath) -> Response:
    """Follow a check: an `item` event per URL when it is done or has failed, then `done`."""
    record = find_check(path.id)
    seen = last_event_id()
    sent = int(seen, 16) if _EVENT_ID.fullmatch(seen) else 0
    return event_stream(_events(services().checks, record, sent))


def _events(service: CheckService, record: CheckRecord, sent: int) -> Iterator[Event | None]:
    """Yield a check's events. An event's id has a bit for each item that was sent by then."""
    indexes = (index for index in range(len(record.urls)) if not sent >> index & 1)
    for news in service.watch(record, indexes):
        if not news:
            yield None
        for index, item in news:
            sent |= 1 << index
            data = orjson.dumps({**item, "index": index}).decode()
            yield Event("item", data, id=f"{sent:x}")
    yield Event(DONE, "{}", id=DONE)


def find_check(check_id: str) -> CheckRecord:
    """Return the caller's check.

    Raises:
        NotFound: there is none with this id, or it belongs to another caller.
    """
    record = services().stores.checks.get(check_id)
    if record is None or record.owner != caller().id:
        raise NotFound("There is no such check, or it is older than an hour.")
    return record


def begin_check(record: CheckRecord, wait: float) -> tuple[str, list[Item]]:
    """Store the check under a new id and run it; return the id and the items."""
    check_id = uuid.uuid4().hex
    services().stores.checks.save(check_id, record)
    return check_id, services().checks.check(record, wait)


def reply(check_id: str | None, items: list[Item]) -> Response:
    """Make a response: 200 if nothing is pending, else 202 with Location and Retry-After."""
    pending = any(item["status"] == "pending" for item in items)
    body: dict[str, object] = {"status": "pending" if pending else "done", "items": items}
    if check_id is not None:
        body = {"id": check_id, **body}
    response = Response(orjson.dumps(body), content_type="application/json")
    if pending:
        response.status_code = 202
        response.headers["Location"] = f"/v1/checks/{check_id}"
        response.headers["Retry-After"] = str(RETRY_AFTER)
    return response


def origin_of(page: str | None) -> str | None:
    """Return the page's origin as a Referer; None if it is not a web page."""
    try:
        parts = urlsplit(page or "")
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host or not host.isascii():
        return None
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}/"
