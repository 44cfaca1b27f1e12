"""The bulk scan. URLs become scans of the API, files become uploads."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator, Sequence
from itertools import islice
from queue import Empty, SimpleQueue

from backend.cli.inputs import Input, read_file
from backend.cli.pending_scan import PendingScan
from backend.client import Client, LimitedError, RefusedError
from backend.client.api_connection import STALL_TIMEOUT, stalled
from backend.schemas.checks import LONGEST_WAIT
from backend.schemas.scans import MOST_URLS
from models.errors import CheckError, ErrorCode
from models.image import sniff
from models.verdict import CheckItem

RETRY_TIMEOUT = 120.0
"""Seconds to wait for a server that went away, or for a quota that is used up."""

_UPLOAD_THREADS = 8
_NOT_FOUND, _CONFLICT, _TOO_LARGE, _INVALID = 404, 409, 413, 422
_CONFLICT_PAUSE = 2.0
_MOST_FUTILE = 3
"""Scans without any result, one after another, after which the scan ends."""

Result = tuple[Input, CheckItem]


class ScanError(Exception):
    """The scan cannot go on. The message is a sentence for people."""


def scan(
    inputs: Sequence[Input],
    client: Client,
    *,
    pending: PendingScan | None = None,
    force: bool = False,
) -> Iterator[Result]:
    """Check many images.

    Args:
        inputs: the images; their names differ.
        client: asks the server.
        pending: remembers the API's scan for the next run.
        force: fetch again what the server knows.

    Yields:
        Each input with its item, which is done or failed; URLs before files, in the order of
        finishing. When the next result is asked for, this one counts as written.

    Raises:
        backend.client.LimitedError: a quota is used up for longer than the client waits. All that
            the quota allowed has been yielded.
        backend.client.ServerError: the server cannot be reached, refuses the request, or has no
            results for `STALL_TIMEOUT` seconds.
        ScanError: the scan was cancelled or lost.
    """
    urls: dict[str, Input] = {}
    files: list[Input] = []
    for each in inputs:
        if each.fault is not None:
            yield each, CheckItem.failed(each.name, CheckError(ErrorCode.BAD_URL, each.fault))
        elif each.path is None:
            urls[each.name] = each
        else:
            files.append(each)
    if urls:
        yield from _scan_urls(urls, client, pending or PendingScan(), force)
    yield from _check_files(files, client)


def _scan_urls(
    urls: dict[str, Input], client: Client, pending: PendingScan, force: bool
) -> Iterator[Result]:
    """Check URLs by one scan after another, each as large as the server allows.

    The first scan is the one that an earlier run began, if there is one. URLs are removed from
    `urls` when they have their result.
    """
    size = MOST_URLS
    futile = 0
    resumed = pending.scan_id(force=force)
    while urls:
        if (scan_id := resumed) is None:
            asked = list(islice(urls, size))
            try:
                scan_id = _begin(asked, client, pending, force)
            except (LimitedError, RefusedError) as error:
                status = error.status if isinstance(error, RefusedError) else None
                if status not in (None, _TOO_LARGE, _INVALID):
                    raise
                if len(asked) > 1:  # the server may take fewer; one URL may spoil the list
                    size = len(asked) // 2
                    continue
                if status != _INVALID:
                    raise
                yield urls.pop(asked[0]), _refused(asked[0], error)
                continue
            size = min(2 * size, MOST_URLS)
        before = len(urls)
        cancelled = yield from _follow(scan_id, urls, client)
        pending.forget()
        if cancelled and not resumed:
            raise ScanError("The scan was cancelled on the server.")
        futile = 0 if resumed or len(urls) < before else futile + 1
        if futile == _MOST_FUTILE:
            raise ScanError("The server loses its scans before they have results.")
        resumed = None


def _begin(urls: Sequence[str], client: Client, pending: PendingScan, force: bool) -> str:
    """Begin a scan, and return its id."""
    key = pending.key(urls, force=force)
    while True:
        try:
            scan_id = client.create_scan(urls, force=force, key=key).id
        except RefusedError as error:
            if error.status != _CONFLICT:
                raise
            # An earlier try is being answered. If that server was killed, the API soon forgets it.
            time.sleep(_CONFLICT_PAUSE)
        else:
            pending.remember(scan_id, key)
            return scan_id


def _follow(scan_id: str, urls: dict[str, Input], client: Client) -> Generator[Result, None, bool]:
    """Yield a scan's results, and remove their URLs; return whether the scan was cancelled.

    If the server forgot the scan, the URLs stay.
    """
    cancelled = False
    try:
        for line in client.results(scan_id, order="finished", follow=True):
            if line.error is not None and line.error.code == ErrorCode.CANCELLED:
                cancelled = True
            elif (found := urls.pop(line.url, None)) is not None:
                yield found, line
    except RefusedError as error:
        if error.status != _NOT_FOUND:
            raise
    return cancelled


def _refused(name: str, error: Exception) -> CheckItem:
    return CheckItem.failed(name, CheckError(ErrorCode.INTERNAL, str(error)))


def _check_files(files: Sequence[Input], client: Client) -> Iterator[Result]:
    """Upload files in threads. The threads are daemons, so Ctrl-C waits for none of them."""
    todo = iter(files)  # shared: a list's iterator gives each element to one thread
    results: SimpleQueue[Result | Exception | None] = SimpleQueue()

    def work() -> None:
        try:
            for file in todo:
                results.put((file, _check_file(file, client)))
            results.put(None)
        except Exception as error:  # raised again where the results are read
            results.put(error)

    running = min(_UPLOAD_THREADS, len(files))
    for _ in range(running):
        threading.Thread(target=work, name="upload", daemon=True).start()
    limited: LimitedError | None = None
    try:
        while running:
            result = results.get(timeout=STALL_TIMEOUT)
            if isinstance(result, tuple):
                yield result
                continue
            running -= 1
            if isinstance(result, LimitedError):
                limited = result  # the other threads still wait for paid results
            elif result is not None:
                raise result
    except Empty:
        raise stalled() from None
    finally:
        list(todo)  # nothing is left for the threads
    if limited is not None:
        raise limited


def _check_file(file: Input, client: Client) -> CheckItem:
    """Upload a file, and wait for its verdict. A file that is not an image is not uploaded."""
    assert file.path is not None  # noqa: S101
    try:
        data = read_file(file.path)
        sniff(data)
        item = _upload(data, client)
    except CheckError as error:
        return CheckItem.failed(file.name, error)
    except RefusedError as error:
        if error.status not in (_TOO_LARGE, _INVALID):
            raise
        return _refused(file.name, error)
    return item.model_copy(update={"url": file.name})


def _upload(data: bytes, client: Client) -> CheckItem:
    """Return the item of an image; upload it again if the server forgets the check."""
    while True:
        check = client.upload(data, wait=LONGEST_WAIT, queue="bulk")
        try:
            while check.status == "pending":
                check = client.look(check.id, wait=LONGEST_WAIT)
            return check.items[0]
        except RefusedError as error:
            if error.status != _NOT_FOUND:
                raise
