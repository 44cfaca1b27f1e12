"""Checks: images by their URLs, judged if they are not known."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit

from flask import Response
from werkzeug.exceptions import NotFound

from backend.auth import caller
from backend.checking import Checker
from backend.events import DONE, EVENTS, Event, event_stream, last_event_id
from backend.limits import charge
from backend.openapi import calls
from backend.problems import Problem
from backend.schemas.checks import CheckBody, CheckEvent, CheckPath, CheckQuery, CheckReply
from backend.services import services
from models.verdict import CheckItem
from workers.store import CheckRecord

blueprint = calls("checks", "Images by their URLs, judged if they are not known.")

RETRY_AFTER = 1
"""Seconds after which it is worth asking again for a pending check."""
_PLACES = re.compile(r"[0-9a-f]{1,25}")  # a bit for each of at most 100 URLs


@blueprint.post("/checks", responses={200: CheckReply, 202: CheckReply, 429: Problem})
def create_check(body: CheckBody) -> Response:
    """Check images by their URLs: known verdicts at once, the others are judged."""
    charge(len(body.urls), at_once=True)
    record = CheckRecord(
        urls=tuple(body.urls),
        created_at=time.time(),
        owner=caller().id,
        force=body.force,
        referer=_origin(body.page),
        queue=body.queue,
    )
    return begin_check(record, body.wait)


@blueprint.get("/checks/<id>", responses={200: CheckReply, 202: CheckReply, 404: Problem})
def get_check(path: CheckPath, query: CheckQuery) -> Response:
    """Ask again for a check's items."""
    return reply(path.id, services().checker.check(_record(path.id), query.wait, again=True))


@blueprint.get("/checks/<id>/events", responses={200: EVENTS, 204: None, 404: Problem})
def get_check_events(path: CheckPath) -> Response:
    """Follow a check: `item` for each URL as it is done or has failed, then `done`."""
    record = _record(path.id)
    seen = last_event_id()
    told = int(seen, 16) if _PLACES.fullmatch(seen) else 0
    return event_stream(_events(services().checker, record, told))


def _events(checker: Checker, record: CheckRecord, told: int) -> Iterator[Event | None]:
    """Yield a check's events; an event's id has a bit for each place that was told by then."""
    places = (place for place in range(len(record.urls)) if not told >> place & 1)
    for news in checker.watch(record, places):
        if not news:
            yield None
        for place, item in news:
            told |= 1 << place
            data = CheckEvent(index=place, **dict(item)).model_dump_json(exclude_none=True)
            yield Event("item", data, id=f"{told:x}")
    yield Event(DONE, "{}", id=DONE)


def _record(check_id: str) -> CheckRecord:
    record = services().store.check(check_id)
    if record is None or record.owner != caller().id:
        raise NotFound("There is no such check, or it is over an hour old.")
    return record


def begin_check(record: CheckRecord, wait: float) -> Response:
    """Give the check an id, do it, and answer."""
    check_id = uuid.uuid4().hex
    services().store.save_check(check_id, record)
    return reply(check_id, services().checker.check(record, wait))


def reply(check_id: str | None, items: list[CheckItem]) -> Response:
    """Answer 200 if nothing is pending, and else 202 with where and when to ask again."""
    pending = any(item.status == "pending" for item in items)
    body = CheckReply(id=check_id, status="pending" if pending else "done", items=items)
    answer = Response(body.model_dump_json(exclude_none=True), content_type="application/json")
    if pending:
        answer.status_code = 202
        answer.headers["Location"] = f"/v1/checks/{check_id}"
        answer.headers["Retry-After"] = str(RETRY_AFTER)
    return answer


def _origin(page: str | None) -> str | None:
    """Return the page's origin as a Referer; None for what is no web page."""
    try:
        parts = urlsplit(page or "")
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host or not host.isascii():
        return None
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}/"
