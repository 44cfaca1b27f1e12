"""Scan parser: the body of `POST /v1/scans` (JSON, JSON Lines, CSV or text) → items.

The body is saved to a temporary file first. A slow client therefore holds neither memory nor Redis,
and the whole body can be hashed. Then the file is parsed item by item.
"""

from __future__ import annotations

import codecs
import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import IO, Any, NamedTuple

import ijson
import structlog
from werkzeug import Request
from werkzeug.exceptions import BadRequest, ServiceUnavailable, UnsupportedMediaType

from backend.lists import (
    CUSTOM_ID,
    HEAD,
    URL,
    ColumnError,
    Entry,
    Form,
    Limits,
    ListError,
    NoColumnsError,
    NotAListError,
    encoding_of,
    read_list,
    see_that_it_names_images,
)
from backend.middleware.bodies import read_chunks, refuse_compressed
from backend.middleware.problems import InvalidRequestError
from backend.schemas.scans import LONGEST_CUSTOM_ID, MOST_URLS, Kind, most_urls
from backend.schemas.texts import MAX_URL
from workers.storage.scans.records import ScanItem

MAX_BODY = 32 * 2**20
MAX_LINES = 10 * MOST_URLS
"""Lines of a list, with empty ones and comments, which cost time too."""

_LIMITS = Limits(line=MAX_URL, cell=2**17, lines=MAX_LINES)

JSON = "application/json"
JSON_LINES = ("application/jsonl", "application/x-ndjson")
CSV = "text/csv"
TEXT = "text/plain"

_FORMS: dict[str, Form] = {**dict.fromkeys(JSON_LINES, "jsonl"), CSV: "csv"}
_CHARSETS = ("utf-8", "utf8", "us-ascii", "utf-16", "utf-16le", "utf-16be")

_IN_MEMORY = 2**17
"""Bytes; a larger body is on disk."""
_YIELD_EVERY = 1000
"""JSON tokens after which other greenlets may run."""

_MAX_READS_PER_TOKEN = 4
"""Reads of 64 KiB each: more than any URL needs."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Body:
    """A complete request body.

    Attributes:
        file: its bytes, positioned at the start.
        media_type: one of the types above.
        fingerprint: a hash of body, media type and query.
    """

    file: IO[bytes]
    media_type: str
    fingerprint: str


@contextmanager
def receive(request: Request) -> Iterator[Body]:
    """Save the request's body to a temporary file for the duration of the context.

    Raises:
        UnsupportedMediaType: scans do not support its media type.
        RequestEntityTooLarge: it is larger than ``request.max_content_length``.
        BadRequest: it is incomplete.
        ServiceUnavailable: the disk is full.
    """
    media_type = _media_type(request)
    digest = hashlib.sha256(f"{media_type}\n{request.query_string.decode()}\n".encode())
    try:
        with SpooledTemporaryFile(_IN_MEMORY) as file:
            for chunk in read_chunks(request):
                file.write(chunk)
                digest.update(chunk)
            file.seek(0)
            yield Body(file, media_type, digest.hexdigest())
    except OSError as error:
        log.warning("body_not_saved", error=error.strerror)
        raise ServiceUnavailable("Assay has no disk space for the list.", retry_after=60) from error


def _media_type(request: Request) -> str:
    refuse_compressed(request)
    if request.mimetype_params.get("charset", "utf-8").lower() not in _CHARSETS:
        raise UnsupportedMediaType("The body must be in UTF-8 or UTF-16.")
    if request.mimetype not in (known := (JSON, *JSON_LINES, CSV, TEXT)):
        raise UnsupportedMediaType(f"The Content-Type must be one of {', '.join(known)}.")
    return request.mimetype


class ParsedScan(NamedTuple):
    """A parsed request."""

    items: Iterator[ScanItem]
    """Parsed lazily, except from JSON."""
    force: bool
    """Whether to ignore cached verdicts."""
    webhook: str | None
    """The URL to notify of the scan's end, as requested."""
    kind: Kind = "images"
    """What the URLs are."""


def parse_scan(
    body: Body,
    column: str | None,
    *,
    force: bool,
    webhook: str | None = None,
    kind: Kind = "images",
) -> ParsedScan:
    """Parse a request.

    Args:
        body: its body.
        column: the column or JSON Lines key with the URLs; None for one of the usual names.
        force: from the query; a JSON body may set it too.
        webhook: from the query; a JSON body may have it instead.
        kind: from the query; a JSON body may say ``pages`` too.

    Raises:
        InvalidRequestError: the body is invalid; also raised by the items' iterator.
        BadRequest: the body is not a list; also raised by the items' iterator.
    """
    if body.media_type == JSON:
        scan = _JsonScan(body.file, kind)
        if webhook is not None and scan.webhook is not None:
            raise InvalidRequestError("query.webhook", "The body has a webhook too.")
        url = scan.webhook if webhook is None else webhook
        return ParsedScan(iter(scan.items), force or scan.force, url, scan.kind)
    return ParsedScan(_list_items(body, column, kind), force, webhook, kind)


# Lists, line by line


def _list_items(body: Body, column: str | None, kind: Kind) -> Iterator[ScanItem]:
    """Yield a list's items; errors name the line."""
    count = 0
    try:
        form = _FORMS.get(body.media_type)
        entries = read_list(body.file, _LIMITS, form=form, column=column, columns=False)
        if body.media_type not in JSON_LINES:  # written by programs, which expect a result per line
            entries = see_that_it_names_images(entries, files=False)
        for count, entry in enumerate(entries, start=1):
            if count > most_urls(kind):
                raise ListError(entry.line, _too_many(kind))
            yield _list_item(entry)
    except ColumnError as error:
        hint = "Name the column of the URLs with ?column=."
        raise InvalidRequestError(f"line {error.line}", f"{error.detail} {hint}") from error
    except NoColumnsError as error:
        raise InvalidRequestError("query.column", error.detail) from error
    except ListError as error:
        raise InvalidRequestError(f"line {error.line}", error.detail) from error
    except NotAListError as error:
        raise BadRequest(str(error)) from error
    if count == 0:
        raise InvalidRequestError("body", "The list has no URL.")


def _list_item(entry: Entry) -> ScanItem:
    if entry.fault is not None:
        raise ListError(entry.line, entry.fault)
    if len(entry.url) > MAX_URL:
        raise ListError(entry.line, f"The URL is longer than {MAX_URL:,} characters.")
    return _item(entry.url, entry.custom_id, f"line {entry.line}")


def _item(url: str, custom_id: str | None, field: str) -> ScanItem:
    """Make an item of a valid URL and custom id."""
    if custom_id is not None and len(custom_id) > LONGEST_CUSTOM_ID:
        detail = f"The {CUSTOM_ID!r} is longer than {LONGEST_CUSTOM_ID} characters."
        raise InvalidRequestError(field, detail)
    try:
        (url + (custom_id or "")).encode()
    except UnicodeEncodeError:  # half of a surrogate pair, as an escape in JSON
        raise InvalidRequestError(field, "This is not valid Unicode.") from None
    return ScanItem(url, custom_id)


def _too_many(kind: Kind) -> str:
    what = "pages" if kind == "pages" else "URLs"
    return f"A scan has at most {most_urls(kind):,} {what}."


# JSON


class _JsonReader:
    """Feeds a JSON file to ijson, and fails if a single token needs many reads.

    ijson's lexer starts again at the token's start for each read: a token of 32 MiB takes a minute.

    Attributes:
        reads: reads since the last token.
    """

    def __init__(self, file: IO[bytes]) -> None:
        encoding = encoding_of(file.read(HEAD))
        file.seek(0)
        self._text = codecs.getreader(encoding)(file)
        self._at_start = True
        self.reads = 0

    def read(self, size: int) -> bytes:
        self.reads += 1
        if self.reads > _MAX_READS_PER_TOKEN:
            raise InvalidRequestError("body", f"A string is far longer than {MAX_URL:,} bytes.")
        text = self._text.read(size)
        if text and self._at_start:
            text, self._at_start = text.removeprefix("\ufeff"), False
        return text.encode()


class _JsonScan:
    """A scan in JSON, parsed as a stream of tokens. The first unexpected token is an error.

    A parser that builds the document first needs a gigabyte for 32 MiB of ``[],[],[],…``.

    Attributes:
        items: all items, in memory because `force` and `webhook` may follow them.
        force: whether to ignore cached verdicts.
        webhook: the URL to notify of the scan's end, if any.
        kind: what the URLs are.

    Raises:
        InvalidRequestError: the body does not match `ScanBody`.
    """

    def __init__(self, file: IO[bytes], kind: Kind) -> None:
        self.kind = kind
        self.items: list[ScanItem] = []
        self.force = False
        self.webhook: str | None = None
        self._state = "start"
        self._list = ""
        self._seen: set[str] = set()
        self._fields: dict[str, str | None] = {}
        try:
            # Not `parse`: it adds each token's path, which deep nesting makes long.
            reader = _JsonReader(file)
            for count, (event, value) in enumerate(ijson.basic_parse(reader, use_float=True)):
                reader.reads = 0
                self._take(event, value)
                if count % _YIELD_EVERY == 0:
                    time.sleep(0)
        except (ijson.JSONError, ValueError) as error:
            raise InvalidRequestError("body", "The body is not JSON.", status=400) from error
        if len(self.items) > most_urls(self.kind):  # the kind may follow the items
            raise InvalidRequestError(f"body.{self._list}", _too_many(self.kind))
        if not self.items:
            raise InvalidRequestError("body", "There is no URL: give `urls` or `items`.")

    def _take(self, event: str, value: Any) -> None:
        match self._state, event:
            case "start", "start_map":
                self._state = "body"
            case "body", "map_key":
                self._start_key(value)
            case "force", "boolean":
                self.force = value
                self._state = "body"
            case "kind", "string" if value in ("images", "pages"):
                self.kind = value
                self._state = "body"
            case "webhook", "string" | "null":
                self.webhook = value
                self._state = "body"
            case "urls" | "items", "start_array":
                self._state = f"in {self._list}"
            case "in urls", "string":
                self._add(value, None)
            case "in items", "start_map":
                self._fields = {}
                self._state = "item"
            case "item", "map_key" if value in (URL, CUSTOM_ID):
                self._state = value
            case ("url", "string") | ("custom_id", "string" | "null"):
                self._fields[self._state] = value
                self._state = "item"
            case "item", "end_map" if URL in self._fields:
                self._add(self._fields[URL] or "", self._fields.get(CUSTOM_ID))
                self._state = "in items"
            case "in urls" | "in items", "end_array":
                self._state = "body"
            case "body", "end_map":
                pass
            case _:
                raise self._error()

    def _start_key(self, key: str) -> None:
        if key not in ("urls", "items", "kind", "force", "webhook"):
            detail = "Allowed: `urls` or `items`, `kind`, `force` and `webhook`."
            raise InvalidRequestError("body", detail)
        if key in self._seen or {"urls", "items"} <= {key, *self._seen}:
            raise InvalidRequestError(f"body.{key}", "Give `urls` or `items`, and each key once.")
        self._seen.add(key)
        self._state = key
        if key in ("urls", "items"):
            self._list = key

    def _error(self) -> InvalidRequestError:
        match self._state:
            case "start":
                return InvalidRequestError("body", "A JSON object is needed.")
            case "force":
                return InvalidRequestError("body.force", "This must be true or false.")
            case "kind":
                return InvalidRequestError("body.kind", 'This must be "images" or "pages".')
            case "webhook":
                return InvalidRequestError("body.webhook", "This must be a URL.")
            case "urls" | "items":
                return InvalidRequestError(f"body.{self._list}", _EXPECTED[self._list])
            case _:
                field = f"body.{self._list}.{len(self.items)}"
                return InvalidRequestError(field, _EXPECTED[self._list])

    def _add(self, url: str, custom_id: str | None) -> None:
        field = f"body.{self._list}.{len(self.items)}"
        if len(self.items) == MOST_URLS:
            raise InvalidRequestError(field, f"A scan has at most {MOST_URLS:,} URLs.")
        if len(url) > MAX_URL:
            raise InvalidRequestError(field, f"This is longer than {MAX_URL:,} characters.")
        self.items.append(_item(url, custom_id, field))


_EXPECTED = {
    "urls": "This must be a list of URLs.",
    "items": "This must be a list of objects, each with a `url` and optionally a `custom_id`.",
}
