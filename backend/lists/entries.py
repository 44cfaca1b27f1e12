"""What a list consists of: its rows, and what can be wrong with them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

URL, CUSTOM_ID = "url", "custom_id"
"""The columns or keys that Assay reads. Another one can be named for the URLs."""

URL_TITLES = frozenset(
    {"url", "urls", "uri", "link", "links", "href", "src", "imageurl", "imageuri", "imagelink"}
    | {"imagesrc", "imgurl", "imguri", "imglink", "imgsrc", "pictureurl", "photourl", "mediaurl"}
)
"""Titles of columns that hold URLs, as ``plain_title`` gives them."""

NO_URL = "The row has no URL."

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?!\\)")  # but not a Windows drive
_WEB = re.compile(r"https?:", re.IGNORECASE)
_ADDRESS = re.compile(
    r"//.|www\.[^/\s]|(?:[\w-]+\.)+[A-Za-z]{2,}[/?]|(?:[\w-]+\.)*[\w-]+:\d{1,5}(?:/|$)"
)
"""Probably a URL without its scheme: ``//h/``, ``www.h``, ``h.com/``, ``h:8000/``."""


class ListError(Exception):
    """A line of the list cannot be read.

    Args:
        line: its number, from 1.
        detail: a sentence for people, without the line's number.
    """

    def __init__(self, line: int, detail: str) -> None:
        super().__init__(f"line {line}: {detail}")
        self.line = line
        self.detail = detail


class ColumnError(ListError):
    """The list does not say where its URLs are; a column or key has to be named."""


class NoColumnsError(ListError):
    """A column was named, but the list has none."""


class NotAListError(Exception):
    """The data is not a list of URLs. The message is a sentence for people."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a list: an image, or a row with a fault.

    Attributes:
        line: the number of its line, from 1. If it has several, the last one (in JSON, the first).
        url: as given, without white space around it. May be empty.
        custom_id: the list's own name for it.
        columns: the row's other columns or keys, by title, in the list's order. Empty for plain
            text and for tables without a header. JSON values other than texts are compact JSON.
        fault: why the row cannot be an image, as a sentence. None: it may be one.
    """

    line: int
    url: str
    custom_id: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    fault: str | None = None


def is_url(text: str) -> bool:
    """Return whether the text has the scheme of a URL, and so is not a path."""
    return _SCHEME.match(text) is not None


def is_web_url(text: str) -> bool:
    """Return whether the text is an http or https URL, valid or not."""
    return _WEB.match(text) is not None


def misses_scheme(text: str) -> bool:
    """Return whether the text is probably a URL without ``https://``."""
    return not is_web_url(text) and _ADDRESS.match(text) is not None


def is_file(text: str) -> bool:
    """Return whether the text is the path of a file on this machine."""
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # too long a name, or one that no file can have
        return False


def reason(text: str, *, files: bool) -> str:
    """Return why a text is not an image, as a sentence.

    Args:
        text: neither an http or https URL nor a file.
        files: whether files are allowed.
    """
    if misses_scheme(text):
        beginning = "There is no such file. " if files else ""
        return f"{beginning}If this is an address, put https:// before it."
    if is_url(text):
        return "Only http and https URLs can be checked."
    return "Not a URL, and there is no such file." if files else "Not a URL."


def plain_title(title: str) -> str:
    """Return the letters and digits of a title: ``Image URL`` and ``image_url`` are one."""
    return "".join(character for character in title.casefold() if character.isalnum())


def places_of_url(titles: Sequence[str], column: str | None) -> list[int]:
    """Find the columns or keys that may hold the URLs.

    Args:
        titles: of all columns.
        column: the one that was named; ``url`` if none.

    Returns:
        The places of those titled exactly so; else of those titled so but for capitals, spaces and
        signs; else, if none was named, of those with another usual title (``URL_TITLES``).
    """
    wanted = column or URL
    plain = [plain_title(title) for title in titles]
    rules = (
        [title.strip() == wanted for title in titles],
        [title == plain_title(wanted) != "" for title in plain],
        [column is None and title in URL_TITLES for title in plain],
    )
    found = ([place for place, fits in enumerate(rule) if fits] for rule in rules)
    return next(filter(None, found), [])


def place_of_url(titles: Sequence[str], column: str | None, line: int, kind: str = "column") -> int:
    """Find the one column or key that holds the URLs.

    Args:
        titles: of all columns.
        column: the one that was named.
        line: where they stand.
        kind: what errors call it.

    Raises:
        ColumnError: there is none, or more than one.
    """
    places = places_of_url(titles, column)
    if len(places) == 1:
        return places[0]
    problem = f"More than one {kind} may hold the URLs"
    if not places:
        problem = f"There is no {kind} {column or URL!r}"
    raise ColumnError(line, f"{problem}; the {kind}s are {shown(titles)}.")


def shown(titles: Sequence[str]) -> str:
    """Write titles for people: the first 50, in one line, without control characters."""
    texts = (
        "".join(each if each.isprintable() else " " for each in title[:50]) for title in titles
    )
    return ", ".join(text.strip() for text in islice(texts, 50))


def place_of_id(titles: Sequence[str]) -> int | None:
    """Find the column or key that holds the list's own names."""
    plain = [plain_title(title) for title in titles]
    return plain.index("customid") if "customid" in plain else None
