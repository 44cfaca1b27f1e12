"""Writes a report as one HTML document, in pieces.

The document works offline: styles, script and pictures are in it, and its policy (CSP) forbids
everything else. Whatever the given results say is text in it, never markup.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from backend import web
from backend.report.marks import marks_of
from backend.report.summary import MOST_PAGES, STATES, Summary
from backend.web import words
from models.sentences import sentences
from models.verdict import CheckItem

OPENING = b'<!doctype html>\n<html lang="en" data-document="assay-report">\n'
"""What every report begins with, and nothing else does."""
_FOLDER = Path(__file__).parent
_MARKS = Path(web.__file__).parent / "static" / "marks.svg"
"""The console's symbols of the labels."""
_PART = 500
"""Rows of a long table that are shown at a time. A browser takes minutes to lay out 50,000."""
_BEGIN = "document.documentElement.className = 'scripted';"
"""Runs before the table is read, so that the rows of its other parts are never laid out."""
_BUFFERED = 200
"""Pieces of the template's output that are written at once."""


@dataclass(frozen=True)
class Sheet:
    """One image of a check.

    Attributes:
        item: its result.
        picture: a small copy of the image, a JPEG or PNG, if there is one.
        map: a JPEG or PNG of where it looks AI-made, if there is one.
        why_no_picture: a sentence, if either is missing.
    """

    item: CheckItem
    picture: bytes | None = None
    map: bytes | None = None
    why_no_picture: str = ""


def check_report(sheets: Sequence[Sheet], *, made_at: datetime | None = None) -> Iterator[bytes]:
    """Write the report of a check: everything that is known of each image.

    Args:
        sheets: the images, in order.
        made_at: the time of the report. None: now.
    """
    summary = Summary.of(sheet.item for sheet in sheets)
    return _document("check.html", summary, made_at, sheets=sheets)


def scan_report(
    items: Iterable[CheckItem],
    thumbnails: Mapping[int, bytes | str] | None = None,
    *,
    made_at: datetime | None = None,
) -> Iterator[bytes]:
    """Write the report of a scan: a summary, and a table with a row for each image.

    Args:
        items: the results. They are iterated twice, and not kept.
        thumbnails: by the place of a result, from 0: a JPEG, or a sentence that says why there is
            none. None: none were wanted.
        made_at: the time of the report. None: now.
    """
    summary = Summary.of(items)
    return _document("scan.html", summary, made_at, items=items, thumbnails=thumbnails)


def _document(
    template: str, summary: Summary, made_at: datetime | None, **values: object
) -> Iterator[bytes]:
    stream = _template(template).stream(
        summary=summary, made_at=made_at or datetime.now(UTC), assay=version("assay"), **values
    )
    stream.enable_buffering(_BUFFERED)
    yield OPENING
    for piece in stream:
        yield piece.encode()


@lru_cache(maxsize=2)
def _template(name: str) -> Template:
    style, script = (_file(each) for each in ("report.css", "table.js"))
    environment = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        finalize=_printable,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["moment"] = words.moment
    own = {"style": style, "begin": _BEGIN, "script": script, "marks": _MARKS.read_text("utf-8")}
    environment.globals |= {
        **{name: Markup(text) for name, text in own.items()},  # noqa: S704 - our own files
        "part": _PART,
        "policy": "; ".join(
            (
                "default-src 'none'",
                "img-src data:",
                f"style-src {_hash(style)}",
                f"script-src {_hash(_BEGIN)} {_hash(script)}",
                "base-uri 'none'",
                "form-action 'none'",
            )
        ),
        "words": words.WORDS,
        "states": STATES,
        "most_pages": MOST_PAGES,
        "state_of": words.state_of,
        "title_of": words.title_of,
        "meaning_of": words.meaning_of,
        "percent": words.percent,
        "marks_of": marks_of,
        "sentences": sentences,
        "data_url": _data_url,
    }
    return environment.get_template(name)


def _file(name: str) -> str:
    return (_FOLDER / name).read_text("utf-8")


def _hash(text: str) -> str:
    """Return the source of an inline style or script in a policy (CSP 3, hash-source)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _data_url(picture: bytes) -> str:
    kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


def _printable(value: Any) -> Any:
    """Replace what is not printable in a text: controls, surrogates, and marks that turn its order.

    With such marks (U+202E and others), the name ``gpj.exe`` could be shown as ``exe.jpg``.
    """
    if not isinstance(value, str) or isinstance(value, Markup) or value.isprintable():
        return value
    letters = (c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in value)
    return "".join(letters)
