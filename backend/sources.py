"""What a scan is of: lists of URLs and paths, folders and files → the images to be judged."""

from __future__ import annotations

import csv
import io
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from backend.lists import (
    URL,
    ColumnError,
    Entry,
    ListError,
    csv_entries,
    is_url,
    json_entry,
    text_entries,
)
from models.errors import CheckError, ErrorCode, ImageError
from models.image import sniff
from workers.fetch.dial import Limits

STDIN = "-"

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_IMAGE_NAME = re.compile(
    r".+\.(jpe?g|jpe|jfif|a?png|webp|gif|avif|bmp|dib|tiff?)", re.IGNORECASE | re.DOTALL
)
_LARGEST_FILE = Limits.max_bytes
LONGEST_FIELD = 16 * 2**20
"""Characters of a CSV field. The csv module's own limit would end a scan for one absurd cell."""


class SourceError(Exception):
    """The list cannot be read as one; the message is a sentence for people."""


@dataclass(frozen=True)
class Source:
    """One image to be judged.

    Attributes:
        name: the URL or path as it was given, in one line; the output calls it so.
        path: the file, if it is one on this machine.
    """

    name: str
    path: Path | None = None


def read_sources(given: Sequence[str], column: str | None = None) -> list[Source]:
    """Read all that is to be scanned.

    Args:
        given: lists (text, CSV or JSON Lines), folders, image files, or ``-`` for standard input.
        column: the CSV column or JSON key that holds the URL; ``url``, or the only one, if none.

    Returns:
        Every image once, in order.

    Raises:
        SourceError: something given is not there, or is no list.
    """
    sources = (source for one in given for source in _read(one, column))
    return list({source.name: source for source in sources}.values())


def _read(given: str, column: str | None) -> Iterator[Source]:
    path = Path(given)
    try:
        if given == STDIN:
            yield from _read_list(sys.stdin.buffer.read(), "standard input", column)
        elif path.is_dir():
            yield from _read_folder(path)
        elif path.is_file() and _is_image(path):
            yield _file(path)
        else:
            yield from _read_list(path.read_bytes(), given, column)
    except OSError as error:
        raise SourceError(f"{given} cannot be read: {error.strerror}.") from error


def read_file(path: Path) -> bytes:
    """Return the bytes of a file that is to be judged.

    Raises:
        CheckError: it cannot be read, or is larger than any image may be.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise CheckError(ErrorCode.TOO_LARGE, "The file is larger than 20 MiB.")
        return path.read_bytes()
    except OSError as error:
        raise CheckError(
            ErrorCode.BAD_URL, f"This is no URL, and no file that can be read: {error.strerror}."
        ) from error


# Files and folders


def _read_folder(folder: Path) -> Iterator[Source]:
    """Find the images below a folder, in an order that stays; hidden files are left out."""
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(parent, name)
            if not name.startswith(".") and _is_image(path):
                yield _file(path)


def _file(path: Path) -> Source:
    # A file's name may be no text, and may hold a line break.
    return Source(_one_line(os.fsencode(path).decode(errors="replace")), path)


def _is_image(path: Path) -> bool:
    """Tell by its name or its first bytes, though it may be an image that cannot be judged."""
    if _IMAGE_NAME.fullmatch(path.name):
        return True
    try:
        with path.open("rb") as file:
            sniff(file.read(4096))
    except ImageError as error:
        return error.code is ErrorCode.UNSUPPORTED_FORMAT
    except OSError:
        return False
    return True


# Lists


def _read_list(data: bytes, name: str, column: str | None) -> Iterator[Source]:
    text = data.decode("utf-8-sig", errors="replace")
    for entry in _entries(text, name, column):
        if url := _one_line(entry.url.strip()):
            yield Source(url) if is_url(url) else Source(url, Path(url))


def _entries(text: str, name: str, column: str | None) -> Iterator[Entry]:
    """Tell the kind of list by its name or its first line, and read it."""
    first = next((line for line in text.split("\n") if line.strip()), "")
    suffix = Path(name).suffix.lower()
    try:
        if suffix in (".jsonl", ".ndjson") or first.lstrip().startswith("{"):
            yield from _json_entries(text, column or URL)
        elif suffix in (".csv", ".tsv") or (column or URL) in next(csv.reader([first]), []):
            csv.field_size_limit(LONGEST_FIELD)
            lines = io.StringIO(text, newline="")
            yield from csv_entries(lines, column, delimiter="\t" if suffix == ".tsv" else ",")
        elif column is not None:
            raise SourceError(f"{name} has no column {column!r}: it is a plain list.")
        else:
            yield from text_entries(text.split("\n"))
    except ColumnError as error:
        raise SourceError(
            f"{name}, {_in_sentence(error)} Name what holds the URLs with --column."
        ) from error
    except ListError as error:
        raise SourceError(f"{name}, {_in_sentence(error)}") from error


def _json_entries(text: str, key: str) -> Iterator[Entry]:
    """Read the key of each object; a line that has none stands for itself, and will fail."""
    lines = [line for line in text.split("\n") if line.strip()]
    for number, line in enumerate(lines, start=1):
        try:
            yield json_entry(line, number, key)
        except ListError as error:
            if number == 1:
                raise ColumnError(number, error.detail) from error
            yield Entry(number, line)


def _in_sentence(error: ListError) -> str:
    return f"line {error.line}: {error.detail}"


def _one_line(name: str) -> str:
    """Escape what would break a line of the output, or is no text (half a surrogate pair)."""
    return _UNPRINTABLE.sub(lambda found: f"%{ord(found[0]):02X}", name)
