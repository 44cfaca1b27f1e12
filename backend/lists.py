"""Lists of URLs, line by line: plain text, JSON Lines and CSV → entries, for files and requests.

Lines come in as an iterable and entries go out one by one, so a list need not fit in memory.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

URL, CUSTOM_ID = "url", "custom_id"
"""The columns or keys of a list, unless another one is named for the URLs."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?!\\)")  # but not a Windows drive


class ListError(Exception):
    """A line of the list cannot be read.

    Args:
        line: its number, from 1.
        detail: a sentence for people, without the line's number.
    """

    def __init__(self, line: int, detail: str) -> None:
        super().__init__(f"Line {line}: {detail}")
        self.line = line
        self.detail = detail


class ColumnError(ListError):
    """The list does not say where its URLs are; a column or key has to be named."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One image of a list.

    Attributes:
        line: where it stands, from 1; of several lines, the last.
        url: as it was given; empty where a CSV row has none.
        custom_id: the list's own name for it.
    """

    line: int
    url: str
    custom_id: str | None = None


def is_url(text: str) -> bool:
    """Tell URLs, of whatever scheme, from paths."""
    return _SCHEME.match(text) is not None


def text_entries(lines: Iterable[str]) -> Iterator[Entry]:
    """Read one URL a line; empty lines, and those that begin with ``#``, are left out."""
    for number, line in enumerate(lines, start=1):
        if (url := line.strip()) and not url.startswith("#"):
            yield Entry(number, url)


def json_entry(line: str, number: int, key: str = URL) -> Entry:
    """Read one line of JSON Lines.

    Args:
        line: an object; keys that are not asked for may be there.
        number: its place in the list, from 1.
        key: the one that holds the URL.

    Raises:
        ListError: it is no object, or its custom_id is not a text.
        ColumnError: it has no such key with a text in it.
    """
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        raise ListError(number, "This is not JSON.") from None
    if not isinstance(value, dict):
        raise ListError(number, "This is not a JSON object.")
    url, custom_id = value.get(key), value.get(CUSTOM_ID)
    if not isinstance(url, str):
        raise ColumnError(number, f"There is no {key!r} with a text in it.")
    if not isinstance(custom_id, str | None):
        raise ListError(number, f"The {CUSTOM_ID!r} is not a text.")
    return Entry(number, url, custom_id)


def csv_entries(
    lines: Iterable[str], column: str | None = None, *, delimiter: str = ",", strict: bool = False
) -> Iterator[Entry]:
    """Read CSV (RFC 4180), with a header unless its first row holds a URL.

    Args:
        lines: with their ends, for a cell may hold line breaks.
        column: the title of the column that holds the URLs; ``url``, or the only one, if none.
        delimiter: what separates the cells.
        strict: whether to refuse what is not quoted as it should be.

    Yields:
        An entry for each row but empty ones; its URL is empty where the row is too short.

    Raises:
        ColumnError: there is no such column.
        ListError: this is no CSV.
    """
    rows = csv.reader(lines, delimiter=delimiter, strict=strict)
    try:
        header = next(rows, [])
        titles = [title.strip() for title in header]
        place = _place(titles, column)
        # A column that must be there, so that a list of URLs alone has no custom ids.
        id_place = titles.index(CUSTOM_ID) if CUSTOM_ID in titles else len(titles)
        if header and is_url(header[place]):
            yield Entry(rows.line_num, header[place])  # there is no header; this is the first URL
        for row in rows:
            if row:
                url, custom_id = _cell(row, place), _cell(row, id_place)
                yield Entry(rows.line_num, url or "", custom_id)
    except csv.Error as error:
        raise ListError(rows.line_num, f"This is no CSV: {error}.") from error


def _place(titles: Sequence[str], column: str | None) -> int:
    if (column or URL) in titles:
        return titles.index(column or URL)
    if column is None and len(titles) <= 1:
        return 0
    raise ColumnError(
        1, f"There is no column {column or URL!r}; the columns are {', '.join(titles)}."
    )


def _cell(row: Sequence[str], place: int) -> str | None:
    return row[place] if place < len(row) else None
