"""The inputs of a scan: lists of URLs and paths, folders, and image files."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, cast

from backend.lists import (
    HEAD,
    ColumnError,
    Entry,
    Form,
    Limits,
    ListError,
    NoColumnsError,
    NotAListError,
    is_file,
    is_web_url,
    read_list,
    reason,
    see_that_it_names_images,
)
from models.errors import CheckError, ErrorCode, ImageError
from models.image import sniff
from workers.fetching import sockets
from workers.fetching.urls import MAX_URL_LENGTH

STDIN = "-"

_FORMS: dict[str, Form] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_IMAGE_NAME = re.compile(
    r".+\.(jpe?g|jpe|jfif|a?png|webp|gif|avif|bmp|dib|tiff?)", re.IGNORECASE | re.DOTALL
)
LARGEST_FILE = sockets.Limits.max_bytes
LONGEST_FIELD = 16 * 2**20
"""Characters of a CSV field. The default of the csv module is so low that one cell ends a scan."""
_LIMITS = Limits(line=LONGEST_FIELD, cell=LONGEST_FIELD)


class InputError(Exception):
    """An input cannot be read. The message is a sentence for people."""


@dataclass(frozen=True)
class Input:
    """One image to be checked: a row of a list, or a file.

    Attributes:
        index: its place among all inputs, from 0.
        name: the URL or path as given, in one line; the output's ``url``. May be empty.
        path: the file, if it is a file on this machine.
        custom_id: the list's own name for it.
        columns: the other columns of its row in the list, by title, in the list's order.
        fault: why it cannot be checked, as a sentence. The result is ``bad_url``.
        in_folder: whether it was found in a folder.
    """

    index: int
    name: str
    path: Path | None = None
    custom_id: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    fault: str | None = None
    in_folder: bool = False


def read_inputs(given: Sequence[str], column: str | None = None) -> list[Input]:
    """Read all inputs.

    Args:
        given: lists (``backend.lists``), folders, image files, or ``-`` for standard input.
        column: the column or JSON key with the URL. None: a usual title, such as ``url``.

    Returns:
        An input for each image and each row, in order. Names can repeat.

    Raises:
        InputError: something does not exist or is not a list.
    """
    inputs = (each for one in given for each in _read(one, column))
    return [replace(each, index=index) for index, each in enumerate(inputs)]


def read_pages(given: Sequence[str], column: str | None = None) -> list[Input]:
    """Read the pages, site maps and feeds of a scan of pages.

    Args:
        given: their URLs; or lists with them, as for `read_inputs`.
        column: the column or JSON key with the URL. None: a usual title, such as ``url``.

    Returns:
        An input for each, in order, without repetitions.

    Raises:
        InputError: something does not exist, is not a list, or names what is not on the web.
    """
    found: dict[str, Input] = {}
    for one in given:
        for each in [Input(0, one)] if is_web_url(one) else _read(one, column):
            if not is_web_url(each.name) or each.fault:
                fault = each.fault or "Only http and https URLs are read as pages."
                raise InputError(f"{each.name or 'an empty row'}: {fault}")
            found.setdefault(each.name, each)
    return [replace(each, index=index) for index, each in enumerate(found.values())]


def _read(given: str, column: str | None) -> Iterator[Input]:
    if is_web_url(given):
        raise InputError(
            f"{given} is not a list. For one URL, use: assay check {given}. "
            "For the images of a page or site map, add --pages."
        )
    path = Path(given)
    try:
        if given == STDIN:
            yield from _read_list(sys.stdin.buffer, "standard input", None, column)
        elif path.is_dir():
            yield from _read_folder(path)
        elif path.is_file() and _is_image(path):
            yield _file(path)
        else:
            with path.open("rb") as file:
                yield from _read_list(file, given, _FORMS.get(path.suffix.lower()), column)
    except OSError as error:
        raise InputError(f"{given} cannot be read: {error.strerror}.") from error


def read_file(path: Path) -> bytes:
    """Return the bytes of an image file.

    Raises:
        CheckError: it cannot be read, or is larger than `LARGEST_FILE`.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise too_large()
        return path.read_bytes()
    except OSError as error:
        raise CheckError(
            ErrorCode.BAD_URL, f"Not a URL, nor a file that can be read: {error.strerror}."
        ) from error


def too_large() -> CheckError:
    """Return the error for a file above `LARGEST_FILE`."""
    return CheckError(ErrorCode.TOO_LARGE, "The file is larger than 20 MiB.")


# Files and folders


def _read_folder(folder: Path) -> Iterator[Input]:
    """Find the images below a folder, sorted by name, without hidden files."""
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(parent, name)
            if not name.startswith(".") and _is_image(path):
                yield replace(_file(path), in_folder=True)


def _file(path: Path) -> Input:
    # A file's name may not be valid text, and may contain a line break.
    return Input(0, _one_line(os.fsencode(path).decode(errors="replace")), path)


def is_image_name(name: str) -> bool:
    """Return whether a file's name or a URL's path ends as that of an image."""
    return _IMAGE_NAME.fullmatch(name) is not None


def _is_image(path: Path) -> bool:
    """Return whether it is an image by its name or first bytes, even of an unsupported format."""
    if is_image_name(path.name):
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


def _read_list(
    file: IO[bytes], name: str, form: Form | None, column: str | None
) -> Iterator[Input]:
    if not file.seekable():
        file = cast("IO[bytes]", _Pipe(file))
    try:
        entries = read_list(file, _LIMITS, form=form, column=column)
        for entry in see_that_it_names_images(entries, files=True):
            yield _input(entry)
    except ColumnError as error:
        raise InputError(f"{name}, {error} Name the one with the URLs by --column.") from error
    except NoColumnsError as error:
        raise InputError(f"{name}, {error} Leave out --column.") from error
    except ListError as error:
        raise InputError(f"{name}, {error}") from error
    except NotAListError as error:
        raise InputError(f"{name}: {error}") from error


class _Pipe(io.RawIOBase):
    """A stream that cannot seek, but whose start can be read again.

    Args:
        file: the stream.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._start = file.read(HEAD)
        self._at = 0

    def readable(self) -> bool:
        return True

    def seek(self, _offset: int, _whence: int = os.SEEK_SET, /) -> int:
        self._at = 0
        return 0

    def read(self, size: int = -1, /) -> bytes:
        piece = self._start[self._at :][:size]
        self._at += len(piece)
        return piece or self._file.read(size)


def _input(entry: Entry) -> Input:
    """Return the input of a row; the caller sets its index."""
    path = None if is_web_url(entry.url) or not is_file(entry.url) else Path(entry.url)
    fault = entry.fault or (_fault(entry.url) if path is None else None)
    custom_id = entry.custom_id and _SURROGATE.sub("\ufffd", entry.custom_id)
    name = _one_line(entry.url)
    if len(name) > MAX_URL_LENGTH:
        fault = fault or f"The URL has {len(name):,} characters."
        name = f"{name[:MAX_URL_LENGTH]}…"
    return Input(0, name, None if fault else path, custom_id, entry.columns, fault)


def _fault(text: str) -> str | None:
    """Return why a row that is not a file cannot be an image; None if it can."""
    if _SURROGATE.search(text):
        return "Not valid Unicode text."
    if not is_web_url(text):
        return reason(text, files=True)
    return "The URL contains control characters." if _CONTROL.search(text) else None


def _one_line(name: str) -> str:
    """Escape control characters and surrogates, which would break a line of the output."""
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), name)
