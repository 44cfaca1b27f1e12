"""The output file of a scan. Whole lines are appended; a scan that was killed goes on from them.

A line without a line end was being written when the scan was killed. It is dropped.
"""

from __future__ import annotations

import csv
import errno
import fcntl
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

from backend.cli.inputs import LONGEST_FIELD, Input
from backend.cli.output import ResultsError, Tally, result_line
from backend.formats import Format, Result, Row
from models.verdict import CheckItem

_SECONDS_BETWEEN_SYNCS = 1.0
"""A power cut loses the lines of this time. A killed process loses none."""


class ResultsFile:
    """An output file, locked, with the results of earlier runs in it.

    Args:
        path: the file. It is created if it does not exist.
        form: how results are written.
        inputs: all rows. The results in the file must be of these rows; rows may be new at the
            list's end. Files of a folder are recognised by their path, and may be new anywhere.

    Attributes:
        name: what messages call the output.
        tally: counts of all results in the file.

    Raises:
        ResultsError: on entry, if another scan writes to the file, or if it holds something else or
            results of another list. On writing, if the disk fails or is full.
    """

    def __init__(self, path: Path, form: Format, inputs: Sequence[Input]) -> None:
        csv.field_size_limit(LONGEST_FIELD)
        self.path = path
        self.name = str(path)
        self.tally = Tally()
        self._form = form
        self._inputs = {each.index: each for each in inputs}
        self._files = {each.name: each.index for each in inputs if each.in_folder}
        self._known: set[int] = set()
        self._failed: set[int] = set()
        self._last = -1
        self._sorted = True
        self._again: set[int] = set()
        self._instead: dict[int, bytes] = {}

    def __enter__(self) -> Self:
        try:
            # Unbuffered: the kernel has the whole line before it counts as written.
            self._file = self.path.open("a+b", buffering=0)
        except OSError as error:
            raise unwritable(self.path, error) from error
        try:
            self._lock()
            self._read()
        except BaseException:
            self._file.close()
            raise
        self._synced_at = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.settle()
        finally:
            self._file.close()

    def left(self) -> list[Input]:
        """Return the rows without a result, by their index."""
        known = self._known - (self._again - self._instead.keys())
        return [self._inputs[index] for index in sorted(self._inputs.keys() - known)]

    def retry_failed(self) -> list[Input]:
        """Return the failed rows. Their new results replace the old ones on exit, all at once."""
        self._again, self._failed = self._failed, set()
        self.tally.forget_failures()
        return [self._inputs[index] for index in sorted(self._again)]

    def keep_in_order(self) -> None:
        """Check that results which come in the list's order leave the file in that order.

        Raises:
            ResultsError: the results in the file are in another order, or have gaps.
        """
        left = self.left()
        if not self._sorted or (left and left[0].index < self._last):
            raise ResultsError(
                f"{self.path} was begun in the order of finishing. "
                "Go on without --order input, or name another output."
            )

    def add(self, row: Input, item: CheckItem) -> None:
        """Append a result, or keep it until it replaces the failed one."""
        line = result_line(self._form, row, item)
        if row.index in self._again:
            self._instead[row.index] = line
        else:
            self._write(line)
            self._known.add(row.index)
        self.tally.add_item(item)
        if time.monotonic() - self._synced_at > _SECONDS_BETWEEN_SYNCS:
            self.sync()

    def sync(self) -> None:
        """Write everything to the disk, so that it outlasts a power cut."""
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise unwritable(self.path, error) from error
        self._synced_at = time.monotonic()

    def settle(self) -> None:
        """Replace failed results by their new ones. Nothing can be added after it."""
        if self._instead:
            replace_file(self.path, self._lines_in_place())
            self._instead.clear()

    def _write(self, line: bytes) -> None:
        try:
            if self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise unwritable(self.path, error) from error

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Another scan may have replaced the file after it was opened here.
            alone = os.path.samestat(os.fstat(self._file.fileno()), self.path.stat())
        except OSError:
            alone = False
        if not alone:
            raise ResultsError(f"Another scan is writing to {self.path}.")

    # Results of earlier runs

    def _read(self) -> None:
        """Read the results, and drop a last line that has no end."""
        end = 0
        with self.path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.endswith(b"\n"):
                    openings = (number == 1 and self._form.headers) or (self._form.opening,)
                    if not any(line.startswith(opening[: len(line)]) for opening in openings):
                        raise self._not_a_result(number)
                    self._file.truncate(end)
                    break
                if number > 1 or not self._form.headers:
                    self._read_line(line, number)
                elif line not in self._form.headers:
                    raise self._not_a_result(number)
                end += len(line)
        if end == 0 and self._form.header:
            self._write(self._form.header)

    def _read_line(self, line: bytes, number: int) -> None:
        result = self._parse(line, number)
        index = result.row.index
        if index in self._known:
            raise ResultsError(f"{self.path} has two results of index {index}; see line {number}.")
        self._check_row(result.row, number)
        self._known.add(index)
        self._sorted &= index > self._last
        self._last = max(index, self._last)
        self.tally.add(result.outcome, result.error, result.detail)
        if result.outcome == "failed":
            self._failed.add(index)

    def _parse(self, line: bytes, number: int) -> Result:
        try:
            return self._form.parse(line)
        except (ValueError, LookupError, TypeError, csv.Error) as error:
            raise self._not_a_result(number) from error

    def _check_row(self, found: Row, number: int) -> None:
        """Raise an error if a result is not of its row in this list."""
        if found in (self._row(found.index), self._row(self._swap(found))):
            return
        here = f"is not in this list, which has {len(self._inputs):,}"
        if (given := self._row(found.index)) is not None:
            here = f"in this list is {given.url or 'empty'}"
            if found.url == given.url:
                here = "has other columns in this list"
        raise ResultsError(
            f"{self.path} holds results of another list: its line {number} is about index "
            f"{found.index} ({found.url or 'empty'}), which {here}. Name another output with -o."
        )

    def _row(self, index: int | None) -> Row | None:
        """Return the row with this index, as a result repeats it."""
        if index is None or (row := self._inputs.get(index)) is None:
            return None
        return self._form.row(Row(row.index, row.name, row.custom_id, row.columns))

    def _swap(self, found: Row) -> int | None:
        """Give a file of a folder the index of its result, for other files may be new there.

        Returns:
            The index, unless no such file can have it.
        """
        index, here = self._files.get(found.url), self._inputs.get(found.index)
        if index is None or here is None or not here.in_folder:
            return None
        there = self._inputs[index]
        self._inputs[found.index] = replace(there, index=found.index)
        self._inputs[index] = replace(here, index=index)
        self._files |= {there.name: found.index, here.name: index}
        return found.index

    def _lines_in_place(self) -> Iterator[bytes]:
        with self.path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if number == 1 and self._form.headers:
                    yield line
                else:
                    yield self._instead.get(self._parse(line, number).row.index, line)

    def _not_a_result(self, number: int) -> ResultsError:
        return ResultsError(
            f"{self.path} exists, and its line {number} is not a result of a list with these "
            "columns. Name another output with -o, or move the file away."
        )


def replace_file(path: Path, lines: Iterable[bytes]) -> None:
    """Replace a file's content, whole or not at all. A link stays a link.

    Raises:
        ResultsError: the disk fails or is full.
    """
    target = path.resolve()
    partial = target.with_name(f"{target.name}.part")
    try:
        with partial.open("wb") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, partial)
        partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> ResultsError:
    """Return the error for a file that cannot be written."""
    return ResultsError(f"{path} cannot be written: {error.strerror or error}.")
