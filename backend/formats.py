"""How results are written as lines: JSON Lines and CSV, for files and for downloads.

A result never holds a line break, so a line without its end is one that was cut off.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import orjson

from models.members import MEMBERS
from models.verdict import CheckItem

JSON_LINES_TYPE = "application/jsonl"
CSV_TYPE = "text/csv; charset=utf-8"

_LINE_BREAK = re.compile(r"[\r\n]+")
_FORMULA = re.compile(r"'*[=+\-@\t]")
_GUARDED = re.compile(r"'+[=+\-@\t]")


@dataclass(frozen=True)
class Result:
    """What the scan needs to know of a result that it finds.

    Attributes:
        url: as in the list.
        outcome: the verdict's label, or ``failed``.
        error: the error's code, if it failed.
    """

    url: str
    outcome: str
    error: str | None = None

    @classmethod
    def of(cls, item: CheckItem) -> Self:
        """Sum up an item."""
        outcome = item.verdict.label.value if item.verdict else item.status
        return cls(item.url, outcome, item.error.code if item.error else None)


class Format(Protocol):
    """How results are written as lines."""

    @property
    def header(self) -> bytes:
        """The first line with its end; empty if there is none."""

    @property
    def opening(self) -> bytes:
        """What every line begins with."""

    def line(self, item: CheckItem) -> bytes:
        """Write a result, with the line's end."""
        ...

    def parse(self, line: bytes) -> Result:
        """Read a line; raises ValueError, LookupError or TypeError if it is not a result."""
        ...


class JsonLines:
    """One API item a line (JSON Lines)."""

    header = b""
    opening = b'{"url":"'

    def line(self, item: CheckItem) -> bytes:
        """Write a result, with the line's end."""
        return item.model_dump_json(exclude_none=True).encode() + b"\n"

    def parse(self, line: bytes) -> Result:
        """Read a line; raises ValueError, LookupError or TypeError if it is not a result."""
        item = orjson.loads(line)
        if item["status"] == "failed":
            return Result(_text(item["url"]), "failed", _text(item["error"]["code"]))
        return Result(_text(item["url"]), _text(item["verdict"]["label"]))


class Csv:
    """One row a result, for spreadsheets (RFC 4180, but no field ever holds a line break).

    What a spreadsheet would run as a formula gets an apostrophe before it (OWASP, CSV Injection):
    a URL, or what a file claims of itself, may begin with ``=``.

    Args:
        more: fields of the items that go before the columns that all have.
    """

    opening = b""

    def __init__(self, more: Sequence[str] = ()) -> None:
        self._more = tuple(more)
        self.columns = (
            *self._more,
            *("url", "status", "label", "probability", *MEMBERS, "evidence"),
            *("sha256", "width", "height", "format", "model_version", "checked_at"),
            *("error_code", "error_detail"),
        )
        self.header = self._row(self.columns)

    def line(self, item: CheckItem) -> bytes:
        """Write a result, with the line's end."""
        cells: dict[str, object] = {name: getattr(item, name) for name in self._more}
        cells |= {"url": item.url, "status": item.status}
        if (verdict := item.verdict) is not None:
            claims = (f"{fact.kind}: {fact.detail}" for fact in verdict.evidence)
            cells |= {
                **{name: round(score, 4) for name, score in verdict.members.items()},
                **verdict.image.model_dump(include={"sha256", "width", "height", "format"}),
                "label": verdict.label.value,
                "probability": round(verdict.probability, 4),
                "evidence": "; ".join(claims),
                "model_version": verdict.model_version,
                "checked_at": verdict.checked_at.isoformat(timespec="seconds"),
            }
        if item.error is not None:
            cells |= {"error_code": item.error.code, "error_detail": item.error.detail}
        return self._row(cells.get(column) for column in self.columns)

    def parse(self, line: bytes) -> Result:
        """Read a line; raises ValueError, LookupError or TypeError if it is not a result."""
        (row,) = csv.reader([line.decode()], strict=True)
        cells = dict(zip(self.columns, row, strict=True))
        outcome = cells["label"] or cells["status"]
        return Result(_unguarded(cells["url"]), outcome, cells["error_code"] or None)

    @staticmethod
    def _row(cells: Iterable[object]) -> bytes:
        line = io.StringIO(newline="")
        csv.writer(line, lineterminator="\n").writerow(guarded(cell) for cell in cells)
        return line.getvalue().encode()


def guarded(cell: object) -> str:
    """Return the cell's text, in one line, as one that no spreadsheet takes for a formula."""
    text = "" if cell is None else _LINE_BREAK.sub(" ", str(cell))
    return f"'{text}" if isinstance(cell, str) and _FORMULA.match(text) else text


def _unguarded(text: str) -> str:
    return text[1:] if _GUARDED.match(text) else text


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value
