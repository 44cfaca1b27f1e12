"""The output of a scan: counts, lines, and standard output. `results_file` has files."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from backend.cli.inputs import Input
from backend.formats import Format
from backend.schemas.scans import ScanLine
from models.verdict import CheckItem, Label


class ResultsError(Exception):
    """The output cannot be used. The message is a sentence for people."""


@dataclass
class Tally:
    """Counts of results: by outcome, and of the failed ones by error code.

    Attributes:
        details: the error sentence of the first image with each error code.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    details: dict[str, str] = field(default_factory=dict)

    def add(self, outcome: str, error: str | None = None, detail: str | None = None) -> None:
        """Count one result."""
        self.outcomes[outcome] += 1
        if error is not None:
            self.errors[error] += 1
            self.details.setdefault(error, detail or "")

    def add_item(self, item: CheckItem) -> None:
        """Count an item that is done or failed."""
        outcome = item.verdict.label.value if item.verdict else item.status
        error = item.error
        self.add(outcome, error.code if error else None, error.detail if error else None)

    def forget_failures(self) -> None:
        """Set the counts of failures to 0."""
        del self.outcomes["failed"]
        self.errors.clear()
        self.details.clear()


def result_line(form: Format, row: Input, item: CheckItem) -> bytes:
    """Write the result of a row of the list."""
    line = ScanLine(
        url=row.name,
        status=item.status,
        verdict=item.verdict,
        error=item.error,
        index=row.index,
        custom_id=row.custom_id,
    )
    return form.line(line, row.columns)


class ResultsStream:
    """Standard output. It has the methods of `ResultsFile`, but remembers nothing.

    Args:
        form: how results are written.
        inputs: all rows.
        labels: write only verdicts with these labels. Empty: all results.
    """

    name = "standard output"

    def __init__(
        self, form: Format, inputs: Sequence[Input], labels: Collection[Label] = ()
    ) -> None:
        self.tally = Tally()
        self._form = form
        self._inputs = inputs
        self._labels = labels
        self._written: set[int] = set()
        self._write(form.header)

    def left(self) -> list[Input]:
        """Return the rows without a result."""
        return [each for each in self._inputs if each.index not in self._written]

    def add(self, row: Input, item: CheckItem) -> None:
        """Write a result."""
        self.tally.add_item(item)
        self._written.add(row.index)
        if not self._labels or (item.verdict and item.verdict.label in self._labels):
            self._write(result_line(self._form, row, item))

    def sync(self) -> None:
        """Do nothing: a pipe has no disk."""

    def retry_failed(self) -> list[Input]:
        """Return nothing: results of earlier runs are not known."""
        return []

    def keep_in_order(self) -> None:
        """Do nothing: there are no results of earlier runs."""

    @staticmethod
    def _write(line: bytes) -> None:
        try:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            raise  # the reader has read enough
        except OSError as error:
            raise ResultsError(f"Standard output cannot be written: {error.strerror}.") from error
