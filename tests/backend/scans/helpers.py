"""Requests of the tests of scans, and the work of a worker."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Iterator
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from models.errors import ErrorCode
from models.verdict import ItemError
from tests.backend.fake_api import verdict
from tests.backend.sse import Seen, read
from workers.storage.scans import Scans
from workers.storage.verdict_cache import CacheEntry

URLS = [f"http://127.0.0.1/{n}.jpg" for n in range(6)]
GONE = ItemError(code=ErrorCode.HTTP_STATUS, detail="The server answered 404.")
LIKELY = {"ai": 0.95, "uncertain": 0.5, "real": 0.05}


def begin(client: FlaskClient, urls: list[str] = URLS, **headers: str) -> str:
    answer = client.post("/v1/scans", json={"urls": urls}, headers=headers)
    assert answer.status_code == 202, answer.text
    return str(answer.json["id"])


def finish(scans: Scans, *outcomes: str, **fields: object) -> None:
    """Do a worker's job: take the next item of any scan, and give it this label, or `failed`."""
    for outcome in outcomes:
        (work,) = scans.items.take(1)
        found = GONE if outcome == "failed" else None
        answer = None if found else verdict(LIKELY[outcome], **fields)
        assert scans.items.record(work, CacheEntry(at=time.time(), verdict=answer, error=found))


def lines(answer: TestResponse) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines() if line]


def rows(answer: TestResponse) -> list[dict[str, str]]:
    assert answer.content_type == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.text)))


def problem(answer: TestResponse, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    return json.loads(answer.text)  # type: ignore[no-any-return]


def events(client: FlaskClient, path: str, last_id: str = "") -> Iterator[Seen]:
    answer = client.get(f"{path}/events", headers={"Last-Event-ID": last_id})
    assert answer.content_type == "text/event-stream"
    pieces = (piece.decode() for piece in answer.response)
    return read(line for piece in pieces for line in piece.split("\n")[:-1])
