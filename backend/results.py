"""The output file of a scan: whole lines, appended; what a killed scan left is taken up again.

A result never holds a line break, so a line without its end is one that was being written when the
scan was killed, and nothing else.
"""

from __future__ import annotations

import csv
import errno
import fcntl
import io
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self

import orjson

from backend.sources import LONGEST_FIELD
from models.members import MEMBERS
from models.verdict import CheckItem

_SECONDS_BETWEEN_SYNCS = 1.0
"""What a power cut may cost; a killed process costs nothing."""

_LINE_BREAK = re.compile(r"[\r\n]+")


class ResultsError(Exception):
    """The output file cannot be used; the message is a sentence for people."""


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


@dataclass
class Tally:
    """Counts of results: by outcome, and of the failed ones by error code."""

    outcomes: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)

    def add(self, result: Result) -> None:
        """Count one result."""
        self.outcomes[result.outcome] += 1
        if result.error is not None:
            self.errors[result.error] += 1


class _Format(Protocol):
    """How results are written as lines."""

    @property
    def header(self) -> bytes:
        """The first line with its end; empty if there is none."""

    @property
    def opening(self) -> bytes:
        """What every line begins with."""

    def line(self, item: CheckItem) -> bytes: ...

    def parse(self, line: bytes) -> Result:
        """Read a line; raises ValueError, LookupError or TypeError if it is not a result."""
        ...


class _JsonLines:
    """One API item a line (JSON Lines)."""

    header = b""
    opening = b'{"url":"'

    def line(self, item: CheckItem) -> bytes:
        return item.model_dump_json(exclude_none=True).encode() + b"\n"

    def parse(self, line: bytes) -> Result:
        item = orjson.loads(line)
        if item["status"] == "failed":
            return Result(_text(item["url"]), "failed", _text(item["error"]["code"]))
        return Result(_text(item["url"]), _text(item["verdict"]["label"]))


class _Csv:
    """One row a result, for spreadsheets (RFC 4180, but no field ever holds a line break)."""

    columns = (
        *("url", "status", "label", "probability", *MEMBERS, "evidence"),
        *("sha256", "width", "height", "format", "model_version", "checked_at"),
        *("error_code", "error_detail"),
    )
    opening = b""

    def __init__(self) -> None:
        csv.field_size_limit(LONGEST_FIELD)
        self.header = self._row(self.columns)

    def line(self, item: CheckItem) -> bytes:
        cells: dict[str, object] = {"url": item.url, "status": item.status}
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
        return self._row(cells.get(column, "") for column in self.columns)

    def parse(self, line: bytes) -> Result:
        (row,) = csv.reader([line.decode()], strict=True)
        cells = dict(zip(self.columns, row, strict=True))
        outcome = cells["label"] or cells["status"]
        return Result(cells["url"], outcome, cells["error_code"] or None)

    @staticmethod
    def _row(cells: Iterable[object]) -> bytes:
        line = io.StringIO(newline="")
        one_line = (_LINE_BREAK.sub(" ", str(cell)) for cell in cells)
        csv.writer(line, lineterminator="\n").writerow(one_line)
        return line.getvalue().encode()


_FORMATS: dict[str, Callable[[], _Format]] = {".jsonl": _JsonLines, ".csv": _Csv}


class ResultsFile:
    """An output file, locked and appended to, with what earlier runs of the scan left in it.

    Attributes:
        known: the URLs that have a result.
        tally: counts of all results in the file.

    Args:
        path: a name that ends in ``.jsonl`` or ``.csv``, which tells the format.

    Raises:
        ResultsError: on making, if the name tells no format; on entry, if another scan writes to
            the file, or if it is not one of ours; when written to, if the disk fails or is full.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._format = _FORMATS[path.suffix.lower()]()
        except KeyError:
            raise ResultsError(f"{path} tells no format: name it .jsonl or .csv.") from None
        self.path = path
        self.known: set[str] = set()
        self.tally = Tally()

    def __enter__(self) -> Self:
        try:
            # Unbuffered: a line is in the kernel's hands, whole, before it counts as written.
            self._file = self.path.open("a+b", buffering=0)
        except OSError as error:
            raise self._failure(error) from error
        try:
            self._lock()
            self._take_up()
        except BaseException:
            self._file.close()
            raise
        self._synced_at = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, item: CheckItem) -> None:
        """Append a result."""
        self._write(self._format.line(item))
        self._count(Result.of(item))
        if time.monotonic() - self._synced_at > _SECONDS_BETWEEN_SYNCS:
            self.sync()

    def sync(self) -> None:
        """See that what was written outlasts a power cut."""
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._failure(error) from error
        self._synced_at = time.monotonic()

    def _write(self, line: bytes) -> None:
        try:
            if self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise self._failure(error) from error

    def _count(self, result: Result) -> None:
        self.known.add(result.url)
        self.tally.add(result)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ResultsError(f"Another scan is writing to {self.path}.") from None

    def _take_up(self) -> None:
        """Read the results that are there, and drop a last line that was never finished."""
        end = 0
        with self.path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.endswith(b"\n"):
                    self._see_that_it_began_as_ours(line, number)
                    self._file.truncate(end)
                    break
                self._take_up_line(line, number)
                end += len(line)
        if end == 0 and self._format.header:
            self._write(self._format.header)

    def _take_up_line(self, line: bytes, number: int) -> None:
        if number == 1 and self._format.header:
            if line != self._format.header:
                raise self._foreign(number)
            return
        try:
            self._count(self._format.parse(line))
        except (ValueError, LookupError, TypeError, csv.Error) as error:
            raise self._foreign(number) from error

    def _see_that_it_began_as_ours(self, line: bytes, number: int) -> None:
        opening = (
            self._format.header if number == 1 and self._format.header else self._format.opening
        )
        if not line.startswith(opening[: len(line)]):
            raise self._foreign(number)

    def _foreign(self, number: int) -> ResultsError:
        return ResultsError(
            f"{self.path} is there already, and its line {number} is no result of a scan; "
            "name another output, or move it away."
        )

    def _failure(self, error: OSError) -> ResultsError:
        return ResultsError(f"{self.path} cannot be written: {error.strerror}.")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value
