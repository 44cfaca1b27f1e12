"""A reader of server-sent events (WHATWG HTML §9.2.6), as strict as a browser's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import requests


class Seen(NamedTuple):
    """One event, as a client sees it."""

    name: str
    data: Any
    id: str


def listen(url: str, last_id: str = "", timeout: float = 60) -> Iterator[Seen]:
    """Connect, and yield the events until the server ends the stream."""
    headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last_id} if last_id else {})}
    with requests.get(url, headers=headers, stream=True, timeout=timeout) as answer:
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert answer.headers["Cache-Control"] == "no-store"
        yield from read(line.decode() for line in answer.iter_lines(chunk_size=1))


def read(lines: Iterator[str]) -> Iterator[Seen]:
    """Read events from lines without their ends."""
    name, data, last_id = "message", list[str](), ""
    for line in lines:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                yield Seen(name, json.loads("\n".join(data)), last_id)
            name, data = "message", []
        elif field == "event":
            name = value
        elif field == "data":
            data.append(value)
        elif field == "id":
            last_id = value
        else:
            assert field in ("", "retry"), line
