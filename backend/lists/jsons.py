"""Lists in JSON: JSON Lines, arrays, and objects one after another."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from backend.lists.entries import (
    CUSTOM_ID,
    NO_URL,
    Entry,
    ListError,
    place_of_id,
    place_of_url,
)

_NOT_JSON = "Not valid JSON."
_NOT_AN_OBJECT = "Not a JSON object."
_SPACE = re.compile(r"[ \t\n\r]*")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_BEGINS_DOCUMENT = re.compile(
    r'\s*(?:\[\s*(?:["\[\]{]|(?:null|true|false|-?\d[\d.]*)\s*,|$)|\{\s*(?:["}]|$))'
)
"""An array or object, but no file name such as ``[1].jpg``."""


def looks_like_json(head: str) -> bool:
    """Return whether a list is JSON, by its first characters."""
    return _BEGINS_DOCUMENT.match(head) is not None


def looks_like_json_lines(head: str) -> bool:
    """Return whether the first line is a whole JSON object."""
    line = head.lstrip().splitlines()[0] if head.strip() else ""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and _within(value) is None


def json_line_entries(lines: Iterable[str], column: str | None) -> Iterator[Entry]:
    """Read JSON Lines. A line that is not an object is an entry with a fault.

    Raises:
        ColumnError: the first object does not say where its URL is.
    """
    reader = _Objects(column)
    for number, line in enumerate(lines, start=1):
        if not (text := line.strip()):
            continue
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            yield Entry(number, text, fault=_NOT_JSON)
            continue
        if isinstance(value, dict):
            yield reader.entry(value, number)
        else:
            yield Entry(number, text, fault=_NOT_AN_OBJECT)


def json_document_entries(
    pieces: Iterable[str], column: str | None, longest: int
) -> Iterator[Entry]:
    """Read an array of texts or objects, or objects one after another, however they are laid out.

    An object of nothing but ``urls`` or ``items``, as the API takes it, stands for what is in it.

    Args:
        pieces: of the document.
        column: the key that holds the URL.
        longest: characters of one object or text.

    Raises:
        ColumnError: the first object does not say where its URL is.
        ListError: not valid JSON, or an element is too long.
    """
    reader = _Objects(column)
    for line, value in _values(_Window(pieces, longest)):
        within = _within(value)
        for element in [value] if within is None else within:
            if isinstance(element, str):
                url = element.strip()
                yield Entry(line, url, fault=None if url else NO_URL)
            elif isinstance(element, dict):
                yield reader.entry(element, line)
            else:
                yield Entry(line, compact(element), fault="This is neither a text nor an object.")


def compact(value: object) -> str:
    """Write a JSON value as text: texts as they are, others as JSON without spaces."""
    if not isinstance(value, str):
        value = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _SURROGATE.sub("\ufffd", value)


class _Objects:
    """Turns objects into entries; the first object tells which key holds the URLs.

    Args:
        column: the key, if it was named.
    """

    def __init__(self, column: str | None) -> None:
        self._column = column
        self._key: str | None = None
        self._id_key = CUSTOM_ID

    def entry(self, value: Mapping[str, Any], line: int) -> Entry:
        """Make the entry of an object.

        Raises:
            ColumnError: this is the first object, and the key is not clear.
        """
        if self._key is None:
            self._choose(list(value), line)
        url, custom_id = value.get(self._key or ""), value.get(self._id_key)
        fault = None
        if not isinstance(url, str):
            fault = f"There is no {self._key!r} with a text in it."
        elif not url.strip():
            fault = NO_URL
        elif not isinstance(custom_id, str | None):
            fault = f"The {CUSTOM_ID!r} is not a text."
        return Entry(
            line,
            url.strip() if isinstance(url, str) else "" if url is None else compact(url),
            custom_id if isinstance(custom_id, str) else None,
            {
                compact(key): compact(each)
                for key, each in value.items()
                if key not in (self._key, self._id_key)
            },
            fault,
        )

    def _choose(self, keys: list[str], line: int) -> None:
        shown = [compact(key) for key in keys]
        self._key = keys[place_of_url(shown, self._column, line, "key")]
        if (place := place_of_id(keys)) is not None:
            self._id_key = keys[place]


def _within(value: object) -> list[Any] | None:
    """Return what is in an object of the form that ``POST /v1/scans`` takes, if it is one."""
    if not isinstance(value, dict) or not value.keys() <= {"urls", "items", "force"}:
        return None
    lists = [each for each in (value.get("urls"), value.get("items")) if isinstance(each, list)]
    return lists[0] if len(lists) == 1 else None


def _values(window: _Window) -> Iterator[tuple[int, Any]]:
    """Read the elements of an array, or values one after another, with their lines.

    Raises:
        ListError: not valid JSON, or incomplete.
    """
    if window.next() != "[":
        while window.next():
            yield window.line, window.value()
        return
    window.skip()
    if window.next() != "]":
        yield window.line, window.value()
    while window.next() == ",":
        window.skip()
        window.next()
        yield window.line, window.value()
    if window.next() != "]":
        raise ListError(window.line, _NOT_JSON)
    window.skip()
    if window.next():
        raise ListError(window.line, _NOT_JSON)


class _Window:
    """Where the reader of a JSON document is; the document is never held whole.

    Args:
        pieces: of the document.
        longest: characters of a value.

    Attributes:
        line: that of the next character, from 1.
    """

    def __init__(self, pieces: Iterable[str], longest: int) -> None:
        self._pieces = iter(pieces)
        self._longest = longest
        self._decode = json.JSONDecoder().raw_decode
        self._text = ""
        self._at = 0
        self.line = 1

    def next(self) -> str:
        """Go to the next character that is not a space, and return it; empty at the end."""
        while True:
            self._go_to(_SPACE.match(self._text, self._at).end())  # type: ignore[union-attr]
            if self._at < len(self._text) or not self._read_on():
                return self._text[self._at : self._at + 1]

    def skip(self) -> None:
        """Go one character on."""
        self._go_to(self._at + 1)

    def value(self) -> Any:
        """Read the value that begins here.

        Raises:
            ListError: there is none, or it is too long.
        """
        while True:
            try:
                value, end = self._decode(self._text, self._at)
            except (ValueError, RecursionError):
                end = len(self._text)
                if end - self._at <= self._longest:
                    if self._read_on():
                        continue
                    raise ListError(self.line, _NOT_JSON) from None
            if end - self._at > self._longest:
                detail = f"Not valid JSON, or longer than {self._longest:,} characters."
                raise ListError(self.line, detail)
            self._go_to(end)
            return value

    def _read_on(self) -> bool:
        """Read as much as there is left in the window, so that a long value is tried seldom."""
        left = len(self._text) - self._at
        pieces = [self._text[self._at :]]
        while (piece := next(self._pieces, "")) and (sum(map(len, pieces[1:])) + len(piece)) < left:
            pieces.append(piece)
        pieces.append(piece)
        self._text, self._at = "".join(pieces), 0
        return len(self._text) > left

    def _go_to(self, place: int) -> None:
        self.line += self._text.count("\n", self._at, place)
        self._at = place
