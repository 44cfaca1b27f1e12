"""An output with the results of some labels only, and the record of all results beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from backend.cli.inputs import Input
from backend.cli.output import ResultsError
from backend.cli.results_file import ResultsFile, replace_file
from backend.formats import Format, JsonLines
from backend.schemas.scans import ScanLine
from models.verdict import Label


def record_of(path: Path) -> Path:
    """Return the record of all results beside a filtered output."""
    return path.with_name(f"{path.stem}.all.jsonl")


@contextmanager
def filtered_output(
    path: Path, form: Format, inputs: Sequence[Input], columns: Sequence[str], labels: set[Label]
) -> Iterator[ResultsFile]:
    """Open the record of all results; on exit, write those with some labels to the output.

    The record says which images were checked and which failed, so the scan can go on from it.

    Args:
        path: the output. The record is beside it, and its name ends in ``.all.jsonl``.
        form: how the output is written.
        inputs: all rows.
        columns: the titles of the list's own columns.
        labels: the labels of the verdicts in the output.

    Raises:
        ResultsError: as in `ResultsFile`; or the output exists without its record.
    """
    record = record_of(path)
    if path.exists():
        if not record.exists():
            raise ResultsError(
                f"{path} exists without {record}, the record of all results that --label keeps. "
                "Name another output with -o, or move the file away."
            )
        with ResultsFile(path, form, inputs):
            pass  # it holds nothing but results, so it may be replaced
    with ResultsFile(record, JsonLines(columns), inputs) as results:
        results.name = f"{path} (of all images: {record})"
        try:
            yield results
        finally:
            results.settle()
            replace_file(path, _lines(record, form, inputs, labels))


def _lines(
    record: Path, form: Format, inputs: Sequence[Input], labels: set[Label]
) -> Iterator[bytes]:
    yield form.header
    with record.open("rb") as lines:
        for line in lines:
            result = ScanLine.model_validate_json(line)
            if result.verdict is not None and result.verdict.label in labels:
                yield form.line(result, inputs[result.index].columns)
