"""What a scan is of, as it comes in by HTTP: JSON, JSON Lines, CSV or text → items.

The body goes to a temporary file first, so that a slow client holds neither memory nor Redis, a
wrong list gets its answer when all of it is read, and the whole is known by its hash. From there it
is read item by item.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import IO, Any

import ijson
import structlog
from werkzeug import Request
from werkzeug.exceptions import (
    BadRequest,
    HTTPException,
    ServiceUnavailable,
    UnsupportedMediaType,
)

from backend.lists import (
    CUSTOM_ID,
    URL,
    ColumnError,
    Entry,
    ListError,
    csv_entries,
    json_entry,
    text_entries,
)
from backend.problems import InvalidRequestError
from backend.schemas.scans import LONGEST_CUSTOM_ID, MOST_URLS
from workers.scans import ScanItem

LARGEST_BODY = 32 * 2**20
LONGEST_LINE = 8192
"""Bytes of a line, and characters of a URL in JSON; a URL that can be fetched has 4,096 at most."""
MOST_LINES = 10 * MOST_URLS
"""Lines with empty ones and comments, which cost time too."""

JSON = "application/json"
JSON_LINES = ("application/jsonl", "application/x-ndjson")
CSV = "text/csv"
TEXT = "text/plain"

_IN_MEMORY = 2**17
"""Bytes of a body that are kept in memory; the rest is on disk."""
_READ_SIZE = 2**14
_NAP_EVERY = 1000
"""Items or lines after which other requests have their turn."""

_LONGEST_SILENCE = 4
"""Buffers of 64 KiB without a token: more than any URL takes."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Body:
    """A request's body that has come in whole.

    Attributes:
        file: its bytes, to be read from the start.
        media_type: one of those above.
        fingerprint: tells this request from others.
    """

    file: IO[bytes]
    media_type: str
    fingerprint: str


@contextmanager
def receive(request: Request) -> Iterator[Body]:
    """Take in the request's body, and keep it for as long as the context lasts.

    Raises:
        UnsupportedMediaType: it is nothing that a scan can be made of.
        RequestEntityTooLarge: it is larger than ``request.max_content_length``.
        BadRequest: it ended before its time.
        ServiceUnavailable: there is no room for it on the disk.
    """
    media_type = _media_type(request)
    digest = hashlib.sha256(f"{media_type}\n{request.query_string.decode()}\n".encode())
    received = 0
    try:
        with SpooledTemporaryFile(_IN_MEMORY) as file:
            for piece in _pieces(request):
                file.write(piece)
                digest.update(piece)
                received += len(piece)
            # A server that marks the body's end itself tells no short body from a whole one.
            if received < (request.content_length or 0):
                raise BadRequest("The request's body ended before its time.")
            file.seek(0)
            yield Body(file, media_type, digest.hexdigest())
    except OSError as error:
        log.warning("intake_failed", error=error.strerror)
        raise ServiceUnavailable(
            "Assay has no room for the list just now.", retry_after=60
        ) from error


def _media_type(request: Request) -> str:
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("Compressed bodies are not read.")
    if request.mimetype_params.get("charset", "utf-8").lower() not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedMediaType("The body must be in UTF-8.")
    if request.mimetype not in (known := (JSON, *JSON_LINES, CSV, TEXT)):
        raise UnsupportedMediaType(f"The Content-Type must be one of {', '.join(known)}.")
    return request.mimetype


def _pieces(request: Request) -> Iterator[bytes]:
    try:
        while piece := request.stream.read(_READ_SIZE):
            yield piece
    except HTTPException:
        raise
    except Exception as error:  # whatever the server makes of a broken chunked body
        raise BadRequest("The request's body cannot be read.") from error


def read_items(body: Body, column: str | None, *, force: bool) -> tuple[Iterator[ScanItem], bool]:
    """Read what is to be scanned.

    Args:
        body: the request's.
        column: the CSV column or JSON Lines key that holds the URLs; ``url`` if none.
        force: what the request says outside its body.

    Returns:
        The items, read from the body one by one, and whether to fetch again what is known; only
        JSON itself can say so.

    Raises:
        InvalidRequestError: it cannot be read, also while the items are read.
    """
    if body.media_type == JSON:
        scan = _JsonScan(body.file)
        return iter(scan.items), force or scan.force
    return _with_places(_listed(body, column)), force


# Lists, line by line


def _listed(body: Body, column: str | None) -> Iterator[Entry]:
    lines = _lines(body.file)
    if body.media_type == CSV:
        return csv_entries(lines, column, strict=True)
    if column is not None and body.media_type == TEXT:
        raise InvalidRequestError("query.column", "A plain text has no columns.")
    if body.media_type == TEXT:
        return text_entries(lines)
    numbered = ((number, line) for number, line in enumerate(lines, start=1) if line.strip())
    return (json_entry(line, number, column or URL) for number, line in numbered)


def _lines(file: IO[bytes]) -> Iterator[str]:
    """Read lines, with their ends, of a length that fits in memory.

    Raises:
        ListError: a line is too long or not UTF-8, or there are too many.
    """
    number = 0
    while line := file.readline(LONGEST_LINE + len(b"\r\n")):
        number += 1
        if len(line.rstrip(b"\r\n")) > LONGEST_LINE:
            raise ListError(number, f"This is longer than {LONGEST_LINE:,} bytes.")
        if number > MOST_LINES:
            raise ListError(number, f"More than {MOST_LINES:,} lines are not read.")
        try:
            text = line.decode()
        except UnicodeDecodeError:
            raise ListError(number, "This is not UTF-8.") from None
        if number % _NAP_EVERY == 0:
            time.sleep(0)
        yield text.removeprefix("\ufeff") if number == 1 else text


def _with_places(entries: Iterable[Entry]) -> Iterator[ScanItem]:
    """Turn entries into items; what is wrong is named by its line."""
    count = 0
    try:
        for count, entry in enumerate(entries, start=1):
            if count > MOST_URLS:
                raise ListError(entry.line, f"A scan has {MOST_URLS:,} URLs at most.")
            if not entry.url.strip():
                raise ListError(entry.line, "There is no URL.")
            yield _item(entry.url.strip(), entry.custom_id, f"line {entry.line}")
    except ColumnError as error:
        hint = "Name what holds the URLs with ?column=."
        raise InvalidRequestError(f"line {error.line}", f"{error.detail} {hint}") from error
    except ListError as error:
        raise InvalidRequestError(f"line {error.line}", error.detail) from error
    if count == 0:
        raise InvalidRequestError("body", "There is no URL in it.")


def _item(url: str, custom_id: str | None, place: str) -> ScanItem:
    """Make an item of what is not too long and can be stored."""
    if custom_id is not None and len(custom_id) > LONGEST_CUSTOM_ID:
        detail = f"The {CUSTOM_ID!r} is longer than {LONGEST_CUSTOM_ID} characters."
        raise InvalidRequestError(place, detail)
    try:
        (url + (custom_id or "")).encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can spell
        raise InvalidRequestError(place, "This is no Unicode text.") from None
    return ScanItem(url, custom_id)


# JSON


class _Source:
    """A JSON file that ends in an error where a single token fills several buffers.

    Its lexer begins anew with each buffer at the token's start: for 32 MiB that is a minute.

    Attributes:
        silence: reads since the last token.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.silence = 0

    def read(self, size: int) -> bytes:
        self.silence += 1
        if self.silence > _LONGEST_SILENCE:
            raise InvalidRequestError("body", f"A text in it is far over {LONGEST_LINE:,} bytes.")
        return self._file.read(size)


class _JsonScan:
    """A scan in JSON, read as a stream of tokens: what does not belong ends it at once.

    A parser that builds the whole document first needs a gigabyte for 32 MiB of ``[],[],[],…``.

    Attributes:
        items: what is to be scanned; in memory, for what follows them may concern them.
        force: whether to fetch again what is known.

    Raises:
        InvalidRequestError: on making, if this is not of the form of ``ScanBody``.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.items: list[ScanItem] = []
        self.force = False
        self._at = "start"
        self._list = ""
        self._seen: set[str] = set()
        self._fields: dict[str, str | None] = {}
        try:
            # Not `parse`, whose tokens come with their paths: those of deep nesting are long.
            source = _Source(file)
            for count, (event, value) in enumerate(ijson.basic_parse(source, use_float=True)):
                source.silence = 0
                self._take(event, value)
                if count % _NAP_EVERY == 0:
                    time.sleep(0)
        except (ijson.JSONError, ValueError) as error:
            raise InvalidRequestError("body", "This is not JSON.") from error
        if not self.items:
            raise InvalidRequestError("body", "There is no URL in it: give `urls` or `items`.")

    def _take(self, event: str, value: Any) -> None:
        match self._at, event:
            case "start", "start_map":
                self._at = "body"
            case "body", "map_key":
                self._begin(value)
            case "force", "boolean":
                self.force = value
                self._at = "body"
            case "urls" | "items", "start_array":
                self._at = f"in {self._list}"
            case "in urls", "string":
                self._add(value, None)
            case "in items", "start_map":
                self._fields = {}
                self._at = "item"
            case "item", "map_key" if value in (URL, CUSTOM_ID):
                self._at = value
            case ("url", "string") | ("custom_id", "string" | "null"):
                self._fields[self._at] = value
                self._at = "item"
            case "item", "end_map" if URL in self._fields:
                self._add(self._fields[URL] or "", self._fields.get(CUSTOM_ID))
                self._at = "in items"
            case "in urls" | "in items", "end_array":
                self._at = "body"
            case "body", "end_map":
                pass
            case _:
                raise self._fault()

    def _begin(self, key: str) -> None:
        if key not in ("urls", "items", "force"):
            raise InvalidRequestError("body", "It may have `urls` or `items`, and `force`.")
        if key in self._seen or {"urls", "items"} <= {key, *self._seen}:
            raise InvalidRequestError(f"body.{key}", "It is given twice, or as well as the other.")
        self._seen.add(key)
        self._at = key
        if key != "force":
            self._list = key

    def _fault(self) -> InvalidRequestError:
        match self._at:
            case "start":
                return InvalidRequestError("body", "A JSON object is needed.")
            case "force":
                return InvalidRequestError("body.force", "This is neither true nor false.")
            case "urls" | "items":
                return InvalidRequestError(f"body.{self._list}", _EXPECTED[self._list])
            case _:
                place = f"body.{self._list}.{len(self.items)}"
                return InvalidRequestError(place, _EXPECTED[self._list])

    def _add(self, url: str, custom_id: str | None) -> None:
        place = f"body.{self._list}.{len(self.items)}"
        if len(self.items) == MOST_URLS:
            raise InvalidRequestError(place, f"A scan has {MOST_URLS:,} URLs at most.")
        if len(url) > LONGEST_LINE:
            raise InvalidRequestError(place, f"This is longer than {LONGEST_LINE:,} characters.")
        self.items.append(_item(url, custom_id, place))


_EXPECTED = {
    "urls": "A list of texts is needed.",
    "items": "A list of objects is needed, each with a text `url` and, maybe, a text `custom_id`.",
}
