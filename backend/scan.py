"""The bulk scan: many images through one server, each result handed on as soon as it is known."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue

from backend.client import Check, Client, RefusedError
from backend.sources import Source, read_file
from models.errors import CheckError, ErrorCode
from models.image import sniff
from models.verdict import CheckItem

PATIENCE = 120.0
"""Seconds for which a server that went away is waited for."""

_THREADS = 8
_BATCH = 64
"""URLs a request. Eight such batches keep tasks in the queue while others are slow to fetch."""
_WAIT = 10.0
"""Seconds a request waits; results that are ready sooner than their batch come at this pace."""
_STALLED_AFTER = 900.0
"""Seconds without any result after which the workers are taken for dead."""
_LONGEST_URL = 8192
_NOT_FOUND = 404
_REFUSED_FOR_WHAT_IT_HOLDS = frozenset({400, 413, 422, 500})

Batch = tuple[Source, ...]


class ScanError(Exception):
    """The scan itself cannot go on; the message is a sentence for people."""


def scan(sources: Iterable[Source], client: Client) -> Iterator[CheckItem]:
    """Have images judged, in no order.

    Args:
        sources: what to judge; read as the scan goes on.
        client: the server that judges; its patience is the scan's.

    Yields:
        One item per source, done or failed, whose ``url`` is the source's name.

    Raises:
        backend.client.ServerError: the server is lost.
        ScanError: nothing moves any more.
    """
    return _in_threads(_batches(sources), lambda batch: _judge(batch, client))


def _batches(sources: Iterable[Source]) -> Iterator[Batch]:
    """Group URLs; files go one by one, for an upload holds one, and so does what is too long."""
    urls: list[Source] = []
    for source in sources:
        if source.path is not None or len(source.name) > _LONGEST_URL:
            yield (source,)
            continue
        urls.append(source)
        if len(urls) == _BATCH:
            yield tuple(urls)
            urls.clear()
    if urls:
        yield tuple(urls)


def _in_threads(
    batches: Iterator[Batch], judge: Callable[[Batch], Iterator[CheckItem]]
) -> Iterator[CheckItem]:
    """Judge some batches at a time.

    The threads are daemons: a scan that is interrupted leaves what is under way to the server,
    whose cache answers it the next time.
    """
    results: SimpleQueue[CheckItem | Exception | None] = SimpleQueue()
    taking = threading.Lock()
    stopped = threading.Event()

    def work() -> None:
        try:
            while not stopped.is_set():
                with taking:
                    batch = next(batches, None)
                if batch is None:
                    break
                for item in judge(batch):
                    results.put(item)
            results.put(None)
        except Exception as error:  # raised again where the results are read
            results.put(error)

    for _ in range(_THREADS):
        threading.Thread(target=work, name="scan", daemon=True).start()
    working = _THREADS
    try:
        while working:
            result = _next(results)
            if isinstance(result, Exception):
                raise result
            if result is None:
                working -= 1
            else:
                yield result
    finally:
        stopped.set()


def _next(results: SimpleQueue[CheckItem | Exception | None]) -> CheckItem | Exception | None:
    try:
        return results.get(timeout=_STALLED_AFTER)
    except Empty:
        raise ScanError(
            f"The server judged nothing for {_STALLED_AFTER / 60:.0f} minutes; do its workers run?"
        ) from None


def _judge(batch: Batch, client: Client) -> Iterator[CheckItem]:
    """Judge one batch; yields items as they are known."""
    first = batch[0]
    try:
        if first.path is not None:
            yield _judge_file(first.name, first.path, client)
        elif len(first.name) > _LONGEST_URL:
            raise CheckError(ErrorCode.BAD_URL, f"The URL has {len(first.name):,} characters.")
        else:
            yield from _judge_urls([source.name for source in batch], client)
    except CheckError as error:
        yield CheckItem.failed(first.name, error)


def _judge_urls(urls: list[str], client: Client) -> Iterator[CheckItem]:
    """Judge URLs; if the server refuses them together, each has a chance alone."""
    try:
        while urls:
            check = client.check(urls, wait=_WAIT, queue="bulk")
            urls = yield from _follow(check, client)
    except RefusedError as error:
        if error.status not in _REFUSED_FOR_WHAT_IT_HOLDS:
            raise
        if len(urls) == 1:
            raise CheckError(ErrorCode.INTERNAL, error.detail) from error
        for url in urls:
            yield from _judge((Source(url),), client)


def _follow(check: Check, client: Client) -> Generator[CheckItem, None, list[str]]:
    """Yield a check's items as they are done; return the URLs left if the server forgets it."""
    told: set[int] = set()
    while True:
        for place, item in enumerate(check.items):
            if item.status != "pending" and place not in told:
                told.add(place)
                yield item
        if check.status == "done":
            return []
        try:
            check = client.look(check.id, wait=_WAIT)
        except RefusedError as error:
            if error.status != _NOT_FOUND:
                raise
            return [item.url for item in check.items if item.status == "pending"]


def _judge_file(name: str, path: Path, client: Client) -> CheckItem:
    """Judge a file of this machine.

    Raises:
        CheckError: it cannot be read, or is no image; a list could name any file, and what is no
            image does not leave the machine.
    """
    data = read_file(path)
    sniff(data)
    while True:
        check = client.upload(data, wait=_WAIT, queue="bulk")
        for item in _follow(check, client):
            return item.model_copy(update={"url": name})
