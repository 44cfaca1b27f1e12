"""Reads lists as the command line, the API and `read_list` do."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

from werkzeug import Request
from werkzeug.test import EnvironBuilder

from backend.cli.inputs import Input, read_inputs
from backend.lists import Entry, Limits, read_list
from backend.scan_parser import MAX_BODY, parse_scan, receive

A, B = "http://h/a.jpg", "http://h/b.jpg"
LIMITS = Limits(line=2**20, cell=2**20)
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"


def by_file(data: bytes, name: str, column: str | None = None) -> list[Input]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(data)
        return read_inputs([str(path)], column)


def by_http(data: bytes, content_type: str, column: str | None = None) -> list[str]:
    builder = EnvironBuilder("/v1/scans", method="POST", data=data, content_type=content_type)
    request = Request(builder.get_environ())
    request.max_content_length = MAX_BODY
    with receive(request) as body:
        return [item.url for item in parse_scan(body, column, force=False)[0]]


def entries(data: str | bytes, **options: Any) -> list[Entry]:
    raw = data if isinstance(data, bytes) else data.encode()
    return list(read_list(io.BytesIO(raw), LIMITS, **options))


def urls(data: str | bytes, **options: Any) -> list[str]:
    return [entry.url for entry in entries(data, **options)]
