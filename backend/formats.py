"""How results are written as lines: JSON Lines and CSV, for files and for downloads.

A result never holds a line break, so a line without its end is one that was cut off.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import orjson

from backend.schemas.scans import ScanLine

JSON_LINES_TYPE = "application/jsonl"
CSV_TYPE = "text/csv; charset=utf-8"

COLUMNS = (
    *("index", "custom_id", "url", "status", "label", "probability", "decided_by", "members"),
    *("evidence", "sha256", "width", "height", "format", "model_version", "checked_at"),
    *("error_code", "error_detail"),
)
"""The columns of a CSV of results; those of the list come after them."""
PAGE_COLUMNS = ("page", "place")
"""The further columns of a scan of pages, whose list has none of its own."""
PREFIX = "list_"
"""Stands before the name of a list's column that is called as one of ours."""
_TAKEN = frozenset({*COLUMNS, *ScanLine.model_fields}.difference(PAGE_COLUMNS))

_LINE_BREAK = re.compile(r"[\r\n]+")
_HALF_A_PAIR = re.compile(r"[\ud800-\udfff]")  # a surrogate, which UTF-8 cannot hold
_FORMULA = re.compile(r"'*[=+\-@\t]")
NO_COLUMNS: Mapping[str, str] = {}


@dataclass(frozen=True)
class Row:
    """What a result repeats of the list's row; two that are equal are of the same row."""

    index: int
    url: str
    custom_id: str | None
    columns: Mapping[str, str]
    page: str | None = None


@dataclass(frozen=True)
class Result:
    """What the scan needs to know of a result that it finds.

    Attributes:
        row: what it is the result of.
        outcome: the verdict's label, or ``failed``.
        error: the error's code, if it failed.
        detail: the error's sentence, if it failed.
    """

    row: Row
    outcome: str
    error: str | None = None
    detail: str | None = None


class Format(Protocol):
    """How results are written as lines."""

    @property
    def header(self) -> bytes:
        """The first line with its end; empty if there is none."""

    @property
    def headers(self) -> tuple[bytes, ...]:
        """What the first line of a file may be, that one included; none if there is none."""

    @property
    def opening(self) -> bytes:
        """What every line begins with."""

    def line(self, result: ScanLine, columns: Mapping[str, str] = NO_COLUMNS) -> bytes:
        """Write a result and the list's own columns, with the line's end."""
        ...

    def parse(self, line: bytes) -> Result:
        """Read a line; raises ValueError, LookupError or TypeError if it is not a result."""
        ...

    def row(self, row: Row) -> Row:
        """Return the row as `parse` returns it."""
        ...


class JsonLines:
    """One API item a line (JSON Lines); the list's own columns are further fields.

    Args:
        columns: the titles of the list's own columns.
        pages: whether the results are of a scan of pages.
    """

    header = b""
    headers: tuple[bytes, ...] = ()
    opening = b'{"url":"'

    def __init__(self, columns: Sequence[str] = (), *, pages: bool = False) -> None:
        self._names = names_among_ours(columns)
        self._pages = pages

    def line(self, result: ScanLine, columns: Mapping[str, str] = NO_COLUMNS) -> bytes:
        """Write a result and the list's own columns, with the line's end."""
        line = result.model_dump_json(exclude_none=True).encode()
        if columns:
            line = line[:-1] + b"," + orjson.dumps(self._renamed(columns))[1:]
        return line + b"\n"

    def parse(self, line: bytes) -> Result:
        """Read a line; raises ValueError, LookupError or TypeError if it is not a result."""
        item = orjson.loads(line)
        index, custom_id = item["index"], item.get("custom_id")
        if not isinstance(index, int):
            raise TypeError("not an index")
        page = item.pop("page", None) if self._pages else None
        columns = {name: item[name] for name in item if name not in _TAKEN}
        row = Row(index, _text(item["url"]), custom_id, columns, page)
        if item["status"] == "failed":
            error = item["error"]
            return Result(row, "failed", _text(error["code"]), _text(error["detail"]))
        return Result(row, _text(item["verdict"]["label"]))

    def row(self, row: Row) -> Row:
        """Return the row as `parse` returns it."""
        return replace(row, columns=self._renamed(row.columns))

    def _renamed(self, columns: Mapping[str, str]) -> dict[str, str]:
        return {self._names[title]: _whole(text) for title, text in columns.items()}


class Csv:
    """One row a result, for spreadsheets (RFC 4180, but no field ever holds a line break).

    What a spreadsheet would run as a formula gets an apostrophe before it (OWASP, CSV Injection):
    a URL, or what a file claims of itself, may begin with ``=``.

    Args:
        columns: the titles of the list's own columns, which go after ours.
        bom: whether to begin with a byte order mark, without which Excel takes UTF-8 for the
            encoding of the machine's language.
        pages: whether the results are of a scan of pages.
    """

    opening = b""

    def __init__(
        self, columns: Sequence[str] = (), *, bom: bool = False, pages: bool = False
    ) -> None:
        self._own = tuple(columns)
        self._ours = (*COLUMNS, *PAGE_COLUMNS) if pages else COLUMNS
        plain = self._line([*self._ours, *names_among_ours(columns).values()])
        self.headers = (plain, codecs.BOM_UTF8 + plain)
        self.header = self.headers[bom]

    def line(self, result: ScanLine, columns: Mapping[str, str] = NO_COLUMNS) -> bytes:
        """Write a result and the list's own columns, with the line's end."""
        ours = _cells(result)
        return self._line(
            [*(ours.get(name) for name in self._ours), *(columns.get(title) for title in self._own)]
        )

    def parse(self, line: bytes) -> Result:
        """Read a line; raises ValueError, LookupError or TypeError if it is not a result."""
        (cells,) = csv.reader([line.decode()], strict=True)
        ours = dict(zip(self._ours, cells, strict=False))
        columns = dict(zip(self._own, cells[len(self._ours) :], strict=True))
        page = ours.get("page")
        row = Row(int(ours["index"]), ours["url"], ours["custom_id"], columns, page)
        outcome = ours["label"] or ours["status"]
        return Result(row, outcome, ours["error_code"] or None, ours["error_detail"] or None)

    def row(self, row: Row) -> Row:
        """Return the row as `parse` returns it."""
        columns = {title: guarded(row.columns.get(title)) for title in self._own}
        return Row(row.index, guarded(row.url), guarded(row.custom_id), columns)

    @staticmethod
    def _line(cells: Iterable[object]) -> bytes:
        line = io.StringIO(newline="")
        csv.writer(line, lineterminator="\n").writerow(guarded(cell) for cell in cells)
        return line.getvalue().encode()


def names_among_ours(columns: Iterable[str]) -> dict[str, str]:
    """Return how each of a list's columns is called in the results, all different."""
    names: dict[str, str] = {}
    titles = dict.fromkeys(columns)
    taken = set(_TAKEN)
    for title in titles:
        name = _whole(title)
        while name in taken or (name != title and name in titles):
            name = f"{PREFIX}{name}"
        taken.add(name)
        names[title] = name
    return names


def guarded(cell: object) -> str:
    """Return the cell's text, in one line, as one that no spreadsheet takes for a formula."""
    text = "" if cell is None else _LINE_BREAK.sub(" ", _whole(str(cell)))
    return f"'{text}" if isinstance(cell, str) and _FORMULA.match(text) else text


def _cells(result: ScanLine) -> dict[str, object]:
    """Return our columns of a result; empty ones may be missing."""
    cells: dict[str, object] = {
        "index": result.index,
        "custom_id": result.custom_id,
        "url": result.url,
        "status": result.status,
        "page": result.page,
        "place": result.place,
    }
    if (verdict := result.verdict) is not None:
        scores = (f"{name}={score:.4f}" for name, score in verdict.members.items())
        claims = (f"{fact.kind}: {fact.detail}" for fact in verdict.evidence)
        cells |= {
            **verdict.image.model_dump(include={"sha256", "width", "height", "format"}),
            "label": verdict.label.value,
            "probability": round(verdict.probability, 4),
            "decided_by": verdict.decided_by,
            "members": "; ".join(scores),
            "evidence": "; ".join(claims),
            "model_version": verdict.model_version,
            "checked_at": verdict.checked_at.isoformat(timespec="seconds"),
        }
    if result.error is not None:
        cells |= {"error_code": result.error.code, "error_detail": result.error.detail}
    return cells


def _whole(text: str) -> str:
    return _HALF_A_PAIR.sub("�", text)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value
