"""A scan's results as they are asked for: page by page, or as they come."""

from __future__ import annotations

import time
from collections.abc import Iterator
from errno import ECONNRESET

import structlog
from redis import RedisError

from backend.drain import draining
from backend.events import DONE, Event
from backend.formats import Format
from backend.schemas.scans import ResultsQuery, ScanLine, ScanReply
from workers.scans import ScanResult, ScanStore, ScanSummary

PAGE = 100
"""Results that are in memory at once, a reader: about 64 KiB."""
PACE = 0.5
"""Seconds between two looks at a scan that is followed, however fast it is."""
PULSE = 5.0
"""Seconds after which one who follows hears that there is nothing new."""
EMPTY_LINE_AFTER = 15.0
"""Seconds of silence after which an empty line keeps proxies from closing the connection."""

log = structlog.get_logger()


def results(scans: ScanStore, scan_id: str, query: ResultsQuery, form: Format) -> Iterator[bytes]:
    """Yield the results that are asked for, as lines.

    Raises:
        ConnectionResetError: there are more, but not now. The server closes the connection upon
            this, before the body's end, so that nobody takes a part for the whole.
    """
    yield form.header
    sent = time.monotonic()
    try:
        for page in _pages(scans, scan_id, query):
            now = time.monotonic()
            if lines := b"".join(form.line(ScanLine.of(r)) for r in page if query.wants(r.item)):
                yield lines
                sent = now
            elif now - sent > EMPTY_LINE_AFTER:
                yield b"\n"
                sent = now
            if query.follow and draining():
                raise ConnectionResetError(ECONNRESET, "This server ends.")
    except RedisError as error:
        log.warning("results_interrupted", error=type(error).__name__)
        raise ConnectionResetError(ECONNRESET, "The store is away.") from error


def _pages(scans: ScanStore, scan_id: str, query: ResultsQuery) -> Iterator[list[ScanResult]]:
    if query.follow:
        yield from (page for _, page in follow(scans, scan_id))
        return
    read = scans.finished if query.order == "finished" else scans.results
    start = 0
    while page := read(scan_id, start=start, count=PAGE):
        yield page
        start += len(page)


def follow(
    scans: ScanStore, scan_id: str, start: int = 0
) -> Iterator[tuple[ScanSummary, list[ScanResult]]]:
    """Yield results as they come, until the scan has ended and all have been yielded.

    Args:
        scans: where the scan is.
        scan_id: it.
        start: how many are known already, in the order of finishing.

    Yields:
        How far the scan is, and what has finished since; nothing after `PULSE` seconds of silence.
    """
    with scans.listen(scan_id) as listener:
        # Asked before the results are read: if nothing is pending then, none is missing now.
        while (summary := scans.summary(scan_id)) is not None:
            page = scans.finished(scan_id, start=start, count=PAGE)
            start += len(page)
            yield summary, page
            if len(page) == PAGE:
                continue
            if summary.pending == 0:
                return
            time.sleep(PACE)
            listener.wait(time.monotonic() + PULSE)


def scan_events(scans: ScanStore, scan_id: str, start: int) -> Iterator[Event | None]:
    """Yield a scan's events: `result` for each item, `progress` now and then, `done`.

    Args:
        scans: where the scan is.
        scan_id: it.
        start: how many results the client has seen; the id of the last one.
    """
    told: str | None = None
    for summary, page in follow(scans, scan_id, start):
        for result in page:
            start += 1
            yield Event("result", _json(ScanLine.of(result)), id=str(start))
        now = time.time()
        progress = _json(ScanReply.of(summary, now))
        if len(page) < PAGE and summary.model_dump_json() != told:
            told = summary.model_dump_json()
            yield Event("progress", progress)
        else:
            yield None
        if len(page) < PAGE and summary.pending == 0:
            yield Event(DONE, progress, id=DONE)


def _json(body: ScanLine | ScanReply) -> str:
    return body.model_dump_json(exclude_none=True)
