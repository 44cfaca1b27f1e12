"""The output file of a scan: whole lines, appended; what a killed scan left is taken up again.

A line without its end is one that was being written when the scan was killed, and nothing else.
"""

from __future__ import annotations

import csv
import errno
import fcntl
import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from backend.formats import Csv, Format, JsonLines, Result
from backend.sources import LONGEST_FIELD
from models.verdict import CheckItem

_SECONDS_BETWEEN_SYNCS = 1.0
"""What a power cut may cost; a killed process costs nothing."""


class ResultsError(Exception):
    """The output file cannot be used; the message is a sentence for people."""


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


_FORMATS: dict[str, Callable[[], Format]] = {".jsonl": JsonLines, ".csv": Csv}


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
        csv.field_size_limit(LONGEST_FIELD)
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
