"""One run of `assay scan`: it checks the rows without a result, writes results, and sums up."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from backend.cli.commands import FAILED, INTERRUPTED, fail
from backend.cli.console import ScanProgress, counted, duration, messages, print_summary
from backend.cli.filtered_output import filtered_output, record_of
from backend.cli.inputs import Input
from backend.cli.output import ResultsError, ResultsStream, Tally
from backend.cli.pending_scan import PendingScan
from backend.cli.results_file import ResultsFile
from backend.cli.scan import RETRY_TIMEOUT, Result, ScanError, scan
from backend.client import Client, LimitedError, RefusedError, ServerError, local_server
from backend.formats import Csv, Format, JsonLines
from backend.supervisor import Supervisor, end_leftovers
from models.verdict import CheckItem, Label
from settings import Settings

if TYPE_CHECKING:  # takes a while to import, and few scans have a report
    from backend.cli.report_file import ReportFile

STDOUT = Path("-")
_FORMATS = {".jsonl": "jsonl", ".csv": "csv"}

Results = ResultsFile | ResultsStream


@dataclass(frozen=True)
class Output:
    """Where results go, and how.

    Attributes:
        path: a file, or `STDOUT`.
        form: ``jsonl`` or ``csv``. None: the file's name says it.
        bom: whether a CSV begins with a byte order mark.
        labels: the labels that are written. Empty: all results.
        in_order: whether results are written in the list's order.
        retry: whether images that failed in earlier runs are checked again.
        report: the file of the report, if one is wanted. The results are JSON Lines then.
    """

    path: Path
    form: str | None = None
    bom: bool = False
    labels: Collection[Label] = ()
    in_order: bool = False
    retry: bool = False
    report: ReportFile | None = None

    def format(self, columns: Sequence[str] = (), *, pages: bool = False) -> Format:
        """Return how results are written, with these columns of the list's own.

        Args:
            columns: their titles.
            pages: whether the results are of a scan of pages.

        Raises:
            ResultsError: the file's name does not say the format.
        """
        form = self.form or ("csv" if self.bom else _FORMATS.get(self.path.suffix.lower()))
        if form is None and self.path != STDOUT:
            raise ResultsError(f"The format of {self.path} is unknown: name it .jsonl or .csv.")
        if form == "csv":
            return Csv(columns, bom=self.bom, pages=pages)
        return JsonLines(columns, pages=pages)

    def write_report(self) -> None:
        """Write the report of all results in the output, if one is wanted.

        Raises:
            ResultsError: the disk fails or is full.
        """
        if self.report is not None:
            self.report.write_scan(record_of(self.path) if self.labels else self.path)

    @contextmanager
    def open(self, inputs: Sequence[Input]) -> Iterator[Results]:
        """Open the output for the results of these rows."""
        columns = list(dict.fromkeys(title for each in inputs for title in each.columns))
        form, labels = self.format(columns), set(self.labels)
        if self.path == STDOUT:
            yield ResultsStream(form, inputs, labels)
        elif labels:
            with filtered_output(self.path, form, inputs, columns, labels) as results:
                yield results
        else:
            with ResultsFile(self.path, form, inputs) as results:
                yield results


def run(inputs: Sequence[Input], output: Output, settings: Settings, server: str | None) -> None:
    """Check the rows without a result, and print the summary.

    Args:
        inputs: all rows.
        output: where results go.
        settings: for the server on this machine, which is started if none runs.
        server: the address of another server, if one is named.

    Raises:
        SystemExit: the run was interrupted, ended early, or has no verdict at all.
        ResultsError: the output cannot be used.
        backend.supervisor.SupervisorError: no server can be started.
    """
    with output.open(inputs) as results:
        how = "The same command goes on from here."
        if output.path == STDOUT:
            how = "A scan to standard output cannot be resumed. Use -o FILE for one that can."
        try:
            _run(results, output, settings, server)
        except KeyboardInterrupt:
            fail(f"stopped; {_left(results, inputs)} {how}", INTERRUPTED)
        except RefusedError as error:
            fail(f"{error} {_left(results, inputs)}", FAILED)
        except (ServerError, ScanError) as error:
            fail(f"{reason(error)} {_left(results, inputs)} {how}", FAILED)
    output.write_report()
    if inputs and set(+results.tally.outcomes) <= {"failed"}:
        fail(no_verdict(results.tally), FAILED)


def _run(results: Results, output: Output, settings: Settings, server: str | None) -> None:
    if server is None:
        end_leftovers(settings)  # an earlier run of this scan may have been killed
    if output.in_order:
        results.keep_in_order()
    left = results.left()
    again = results.retry_failed() if output.retry else []
    total = len(left) + len(again)
    seconds = 0.0
    if total:
        with connected(settings, server) as client:
            started_at = time.monotonic()
            shown = output.path != STDOUT or not sys.stdout.isatty()
            with ScanProgress(results.tally, left=total, shown=shown) as progress:
                client.on_wait(progress.wait)
                for rows, force in ((left, False), (again, True)):
                    with _pending(results, client) as pending:
                        found = _scan_rows(rows, client, pending, force)
                        for row, item in _in_order(rows, found) if output.in_order else found:
                            results.add(row, item)
                            progress.advance()
            results.sync()
            seconds = time.monotonic() - started_at
    print_summary(results.tally, checked=total, seconds=seconds, path=results.name)


@contextmanager
def _pending(results: Results, client: Client) -> Iterator[PendingScan]:
    """Give the memory of the API's scan. Without a file, cancel the scan when the run is stopped.

    With a file the scan goes on: it is paid for, and the next run fetches its results.
    """
    if isinstance(results, ResultsFile):
        yield PendingScan(results.path)
        return
    pending = PendingScan()
    try:
        yield pending
    except (KeyboardInterrupt, BrokenPipeError):
        if (scan_id := pending.scan_id()) is not None:
            with suppress(ServerError):
                client.cancel(scan_id)
        raise


def _scan_rows(
    rows: Sequence[Input], client: Client, pending: PendingScan, force: bool
) -> Iterator[Result]:
    """Check each image once, and yield its item for every row that names it."""
    same: dict[tuple[str, str | None], list[Input]] = {}
    for row in rows:
        same.setdefault((row.name, row.fault), []).append(row)
    images = [each[0] for each in same.values()]
    found = scan(images, client, pending=pending, force=force)
    return ((row, item) for image, item in found for row in same[image.name, image.fault])


def _in_order(rows: Sequence[Input], found: Iterable[Result]) -> Iterator[Result]:
    """Hold back results until the rows before theirs have one; as bytes, which are small."""
    early: dict[int, bytes] = {}
    waiting = iter(rows)
    row = next(waiting, None)
    for each, item in found:
        early[each.index] = item.model_dump_json().encode()
        while row is not None and row.index in early:
            yield row, CheckItem.model_validate_json(early.pop(row.index))
            row = next(waiting, None)


@contextmanager
def connected(settings: Settings, given: str | None) -> Iterator[Client]:
    """Give the named server, or the one that runs here, or one for as long as the scan takes."""

    def client(server: str) -> Client:
        return Client(server, key=settings.api_key, retry_timeout=RETRY_TIMEOUT)

    here = client(given or local_server(settings.bind))
    if given is not None or here.is_alive():
        yield here
        return
    messages().print("Starting a server for this scan …", style="dim")
    with Supervisor(settings) as supervisor:
        yield client(supervisor.url)


# Messages of a run that ended early, or without any verdict


def reason(error: ServerError | ScanError) -> str:
    """Return why a run ended early, as a sentence."""
    if not isinstance(error, LimitedError):
        return str(error)
    if not error.retry_after:
        return f"The quota is used up: {error}"
    when = datetime.now().astimezone() + timedelta(seconds=error.retry_after)
    return (
        f"The quota is used up: {error} It allows more in {duration(error.retry_after)}, "
        f"at {when:%Y-%m-%d %H:%M}."
    )


def _left(results: Results, inputs: Sequence[Input]) -> str:
    left = len(results.left())
    return f"{left:,} of {counted(len(inputs), 'image')} {'is' if left == 1 else 'are'} left."


def no_verdict(tally: Tally) -> str:
    """Return why a run has no verdict at all, as a sentence."""
    ((code, count),) = tally.errors.most_common(1)
    return (
        f"none of {counted(tally.outcomes.total(), 'image')} could be checked; most often, "
        f"{counted(count, 'time')}, because of {code}: {tally.details[code]}"
    )
