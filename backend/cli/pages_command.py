"""Scans of pages on the command line: `assay scan --pages`, and `assay check` of a page.

The API's scan is the memory of a run. Its results never change their order of finishing, so a run
that goes on skips as many as the output has lines.
"""

from __future__ import annotations

import csv
import fcntl
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from backend.cli.commands import FAILED, INTERRUPTED, MISUSED, fail
from backend.cli.console import ScanProgress, messages, print_summary
from backend.cli.inputs import Input, is_image_name
from backend.cli.output import ResultsError, Tally
from backend.cli.pending_scan import PendingScan
from backend.cli.results_file import replace_file, unwritable
from backend.cli.scan_command import STDOUT, Output, connected, no_verdict, reason
from backend.client import Client, RefusedError, ServerError
from backend.formats import Format
from backend.schemas.scans import MOST_PAGES, ItemBody, ScanLine
from models.errors import CheckError, ErrorCode
from models.image import SITE_MAP, WEB_PAGE
from models.verdict import CheckItem
from settings import Settings

_NOT_FOUND = 404
_SECONDS_BETWEEN_TOTALS = 2.0


def explained(item: CheckItem) -> CheckItem:
    """Say by what command a site map or feed is checked, if this is one."""
    if item.error is None or item.error.detail != SITE_MAP:
        return item
    detail = f"This is a site map or feed. Use: assay scan --pages {item.url}"
    return CheckItem.failed(item.url, CheckError(ErrorCode.NOT_AN_IMAGE, detail))


def is_page(item: CheckItem) -> bool:
    """Return whether what was to be an image is a web page, and its URL does not say otherwise."""
    error = item.error
    return (
        error is not None
        and error.code == ErrorCode.NOT_AN_IMAGE
        and error.detail == WEB_PAGE
        and not is_image_name(urlsplit(item.url).path)
    )


def check_page(url: str, settings: Settings) -> Iterator[ScanLine]:
    """Yield the images of a page, in the page's order; or why there are none.

    Raises:
        ServerError: the server cannot be reached, or refuses the request.
        backend.supervisor.SupervisorError: no server can be started.
    """
    with connected(settings, None) as client:
        scan_id = client.create_scan([url], kind="pages").id
        found = client.results(scan_id, order="finished", follow=True)
        yield from sorted(found, key=lambda line: line.index)


def run_pages(
    inputs: Sequence[Input], output: Output, settings: Settings, server: str | None
) -> None:
    """Check the images of pages, and print the summary.

    Args:
        inputs: the pages, site maps and feeds; their names differ.
        output: where results go.
        settings: for the server on this machine, which is started if none runs.
        server: the address of another server, if one is named.

    Raises:
        SystemExit: the run was interrupted, ended early, or has no verdict at all.
        ResultsError: the output cannot be used.
        backend.supervisor.SupervisorError: no server can be started.
    """
    if len(inputs) > MOST_PAGES:
        fail(f"a scan reads at most {MOST_PAGES:,} pages, site maps and feeds.", MISUSED)
    form = output.format(pages=True)
    to_file = output.path != STDOUT
    how = "The same command goes on from here." if to_file else ""
    with _file(output.path, form) if to_file else _standard_output(form) as lines:
        try:
            if lines.is_complete and output.report is not None:
                messages().print(
                    f"{output.path} is complete, so nothing is checked. If it is of another list, "
                    "name another output with -o.",
                    markup=False,
                )
            else:
                _run(inputs, lines, settings, server)
        except KeyboardInterrupt:
            fail(f"stopped. {how}", INTERRUPTED)
        except RefusedError as error:
            fail(str(error), FAILED)
        except ServerError as error:
            fail(f"{reason(error)} {how}", FAILED)
    output.write_report()
    if set(+lines.tally.outcomes) <= {"failed"} and lines.tally.outcomes:
        fail(no_verdict(lines.tally), FAILED)


@dataclass
class _Lines:
    """An output of lines, with those of earlier runs."""

    form: Format
    descriptor: int
    path: Path | None = None
    tally: Tally = field(default_factory=Tally)

    @property
    def count(self) -> int:
        return self.tally.outcomes.total()

    @property
    def is_complete(self) -> bool:
        return self.count > 0 and PendingScan(self.path).scan_id() is None

    def add(self, line: ScanLine) -> None:
        self.write(self.form.line(line))
        self.tally.add_item(line)

    def write(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self.descriptor, data) :]
        except BrokenPipeError:
            raise
        except OSError as error:
            raise unwritable(self.path or Path("Standard output"), error) from error

    def group_by_page(self) -> None:
        """Sort the lines of a file, so that those of a page follow one another."""
        if self.path is None:
            return
        with self.path.open("rb") as file:
            whole = file.readlines()
        head = [whole.pop(0)] if self.form.headers and whole else []
        rows = [(self.form.parse(line).row, line) for line in whole]
        first: dict[str, int] = {}
        for row, _ in sorted(rows, key=lambda each: each[0].index):
            first.setdefault(row.page or "", row.index)
        rows.sort(key=lambda each: (first[each[0].page or ""], each[0].index))
        replace_file(self.path, [*head, *(line for _, line in rows)])


@contextmanager
def _standard_output(form: Format) -> Iterator[_Lines]:
    lines = _Lines(form, sys.stdout.fileno())
    lines.write(form.header)
    yield lines


@contextmanager
def _file(path: Path, form: Format) -> Iterator[_Lines]:
    """Open and lock a file; drop a last line that has no end."""
    try:
        file = path.open("a+b", buffering=0)
    except OSError as error:
        raise unwritable(path, error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ResultsError(f"Another scan is writing to {path}.") from None
        lines = _Lines(form, file.fileno(), path)
        end = 0
        with path.open("rb") as earlier:
            for number, line in enumerate(earlier, start=1):
                if not line.endswith(b"\n"):
                    break
                try:
                    if number > 1 or line not in form.headers:
                        found = form.parse(line)
                        lines.tally.add(found.outcome, found.error, found.detail)
                except (ValueError, LookupError, TypeError, csv.Error) as error:
                    raise ResultsError(
                        f"{path} exists, and its line {number} is not a result of a scan of "
                        "pages. Name another output with -o, or move the file away."
                    ) from error
                end += len(line)
        if end or PendingScan(path).scan_id() is not None:
            file.truncate(end)
        elif path.stat().st_size:
            raise ResultsError(f"{path} exists, and holds no results. Name another with -o.")
        if end == 0:
            lines.write(form.header)
        yield lines


def _run(inputs: Sequence[Input], lines: _Lines, settings: Settings, server: str | None) -> None:
    pending = PendingScan(lines.path)
    known = lines.count
    items = [ItemBody(url=each.name, custom_id=each.custom_id) for each in inputs]
    earlier = pending.scan_id()
    if lines.is_complete:
        raise ResultsError(f"{lines.path} is complete. Name another output with -o.")
    if earlier is not None and not pending.is_of(_rows(items)):
        raise ResultsError(
            f"{lines.path} was begun with another list. Name another output with -o, or go on with "
            "that list."
        )
    with connected(settings, server) as client:
        started_at = time.monotonic()
        shown = lines.path is not None or not sys.stdout.isatty()
        with ScanProgress(lines.tally, left=len(inputs), shown=shown) as progress:
            client.on_wait(progress.wait)
            scan_id = _begin(items, client, pending, lines)
            try:
                _follow(scan_id, client, lines, progress)
            except (KeyboardInterrupt, BrokenPipeError):
                if lines.path is None:  # nobody can fetch the rest
                    with suppress(ServerError):
                        client.cancel(scan_id)
                raise
        lines.group_by_page()
        pending.forget()
    seconds = time.monotonic() - started_at
    name = str(lines.path or "standard output")
    print_summary(
        lines.tally, checked=lines.count - known, seconds=seconds, path=name, thing="result"
    )


def _begin(items: Sequence[ItemBody], client: Client, pending: PendingScan, lines: _Lines) -> str:
    """Begin the scan, or find the one that an earlier run began, and return its id.

    Raises:
        ResultsError: the output has results of a scan that is lost.
    """
    earlier = pending.scan_id()
    if earlier is not None:
        try:
            return client.scan(earlier).id
        except RefusedError as error:
            if error.status != _NOT_FOUND:
                raise
        if lines.count:
            raise ResultsError(
                f"The server has forgotten the scan of {lines.path}. Name another output with -o."
            )
        pending.forget()
    key = pending.key(_rows(items), force=False)
    scan_id = client.create_scan(items, kind="pages", key=key).id
    pending.remember(scan_id, key)
    return scan_id


def _rows(items: Sequence[ItemBody]) -> list[str]:
    return [each.model_dump_json() for each in items]


def _follow(scan_id: str, client: Client, lines: _Lines, progress: ScanProgress) -> None:
    """Write the results that the output has not."""
    known = lines.count
    asked_at = 0.0
    for number, line in enumerate(client.results(scan_id, order="finished", follow=True)):
        if number < known:
            continue
        lines.add(line)
        if time.monotonic() - asked_at > _SECONDS_BETWEEN_TOTALS:
            progress.expect(client.scan(scan_id).counts.total)
            asked_at = time.monotonic()
        progress.advance()
