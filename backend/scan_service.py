"""Scans: results page by page, or streamed as items finish."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from errno import ECONNRESET

import structlog
from redis import RedisError

from backend.drain import draining
from backend.events import DONE, Event
from backend.formats import Format
from backend.report.document import scan_report
from backend.schemas.scans import ResultsQuery, ScanLine, ScanReply
from workers.storage.scans import Scans
from workers.storage.scans.records import ScanResult, ScanSummary

PAGE = 100
"""Results that one reader holds in memory: about 64 KiB."""
MIN_INTERVAL = 0.5
"""Seconds between two reads of a scan that is followed, however fast it is."""
HEARTBEAT = 5.0
"""Seconds without results after which `follow` yields an empty page."""
EMPTY_LINE_AFTER = 15.0
"""Seconds without results after which an empty line keeps proxies from closing the connection."""

log = structlog.get_logger()


def results(scans: Scans, scan_id: str, query: ResultsQuery, output: Format) -> Iterator[bytes]:
    """Yield the requested results as lines.

    Raises:
        ConnectionResetError: Redis failed or the server stops before the last line. The server then
            closes the connection without ending the body, so the client sees an error.
    """
    yield output.header
    sent = time.monotonic()
    try:
        for page in _pages(scans, scan_id, query):
            now = time.monotonic()
            if lines := b"".join(output.line(ScanLine.of(r)) for r in page if query.wants(r.item)):
                yield lines
                sent = now
            elif now - sent > EMPTY_LINE_AFTER:
                yield b"\n"
                sent = now
            if query.follow and draining():
                raise ConnectionResetError(ECONNRESET, "This server is stopping.")
    except RedisError as error:
        log.warning("results_interrupted", error=type(error).__name__)
        raise ConnectionResetError(ECONNRESET, "The store is unavailable.") from error


def report(scans: Scans, scan_id: str) -> Iterator[bytes]:
    """Return the report of a scan that has ended, in pieces. Its results are read twice.

    Raises:
        RedisError: at once, if Redis fails.
        ConnectionResetError: later, as in `results`.
    """
    document = scan_report(_Lines(scans, scan_id))

    def pieces() -> Iterator[bytes]:
        try:
            yield from document
        except RedisError as error:
            log.warning("report_interrupted", error=type(error).__name__)
            raise ConnectionResetError(ECONNRESET, "The store is unavailable.") from error

    return pieces()


@dataclass(frozen=True)
class _Lines:
    """A scan's results in the order of the list. They are read anew when they are iterated."""

    scans: Scans
    scan_id: str

    def __iter__(self) -> Iterator[ScanLine]:
        for page in _pages(self.scans, self.scan_id, ResultsQuery()):
            yield from map(ScanLine.of, page)


def _pages(scans: Scans, scan_id: str, query: ResultsQuery) -> Iterator[list[ScanResult]]:
    if query.follow:
        yield from (page for _, page in follow(scans, scan_id))
        return
    read = scans.reader.finished if query.order == "finished" else scans.reader.results
    start = 0
    while page := read(scan_id, start=start, count=PAGE):
        yield page
        start += len(page)


def follow(
    scans: Scans, scan_id: str, start: int = 0
) -> Iterator[tuple[ScanSummary, list[ScanResult]]]:
    """Yield results as items finish, until the scan has ended and all have been yielded.

    Args:
        scans: the store.
        scan_id: the scan.
        start: how many results to skip, in the order of finishing.

    Yields:
        The scan's summary and the results that finished since the last one; an empty page after
        `HEARTBEAT` seconds without results.
    """
    with scans.reader.listen(scan_id) as listener:
        # Read the summary before the results: if it has nothing pending, no result is missing.
        while (summary := scans.reader.summary(scan_id)) is not None:
            page = scans.reader.finished(scan_id, start=start, count=PAGE)
            start += len(page)
            yield summary, page
            if len(page) == PAGE:
                continue
            if summary.pending == 0:
                return
            time.sleep(MIN_INTERVAL)
            listener.wait(time.monotonic() + HEARTBEAT)


def scan_events(scans: Scans, scan_id: str, start: int) -> Iterator[Event | None]:
    """Yield a scan's events: `result` per item, `progress` when the counts change, then `done`.

    Args:
        scans: the store.
        scan_id: the scan.
        start: how many results the client has seen, which is the id of the last one.
    """
    sent: str | None = None
    for summary, page in follow(scans, scan_id, start):
        for result in page:
            start += 1
            yield Event("result", _json(ScanLine.of(result)), id=str(start))
        now = time.time()
        progress = _json(ScanReply.of(summary, now))
        if len(page) < PAGE and summary.model_dump_json() != sent:
            sent = summary.model_dump_json()
            yield Event("progress", progress)
        else:
            yield None
        if len(page) < PAGE and summary.pending == 0:
            yield Event(DONE, progress, id=DONE)


def _json(body: ScanLine | ScanReply) -> str:
    return body.model_dump_json(exclude_none=True)
