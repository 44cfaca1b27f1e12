"""The file of `--report`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import orjson

from backend.cli.console import messages, printable
from backend.cli.output import ResultsError
from backend.cli.results_file import replace_file, unwritable
from backend.cli.thumbnails import Thumbnails
from backend.report.document import OPENING, scan_report
from backend.schemas.scans import ScanLine


class ReportFile:
    """A report that is written when all results are there.

    Args:
        path: the file. An earlier report of Assay is replaced, and no other file.
        thumbnails: makes those of a scan. None: it has none.

    Raises:
        ResultsError: the file cannot be written, or holds something else. This is known before
            anything is checked.
    """

    def __init__(self, path: Path, thumbnails: Thumbnails | None = None) -> None:
        self._path = path
        self._thumbnails = thumbnails
        try:
            if not path.parent.is_dir():
                raise ResultsError(f"{path} cannot be written: there is no folder {path.parent}.")
            if path.exists():
                with path.open("rb") as file:
                    found = file.read(len(OPENING))
                if found not in (OPENING, b""):
                    raise ResultsError(
                        f"{path} exists, and is no report of Assay. Name another file with "
                        "--report, or move it away."
                    )
        except OSError as error:
            raise unwritable(path, error) from error

    def write(self, document: Iterable[bytes]) -> None:
        """Write the report, whole or not at all, and name it on standard error.

        Raises:
            ResultsError: the disk fails or is full.
        """
        replace_file(self._path, document)
        messages().print(f"  report: {printable(str(self._path))}", markup=False)

    def write_scan(self, results: Path) -> None:
        """Write the report of a scan.

        Args:
            results: its results, as JSON Lines.

        Raises:
            ResultsError: the results cannot be read, or the disk fails or is full.
        """
        try:
            lines = _Lines(results)
            pictures = None if self._thumbnails is None else self._thumbnails.of(lines)
            self.write(scan_report(lines, pictures))
        except OSError as error:
            raise ResultsError(f"{results} cannot be read: {error.strerror or error}.") from error


class _Lines:
    """The results of a file, in the order of the list; those of pages in the order of the file.

    They are parsed anew each time that they are iterated, because the lines are much smaller.
    """

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._lines = sorted(file, key=_place)

    def __iter__(self) -> Iterator[ScanLine]:
        return map(ScanLine.model_validate_json, self._lines)


def _place(line: bytes) -> int:
    result = orjson.loads(line)
    return 0 if "page" in result else int(result["index"])
