"""Bytes of a list → its lines: encodings, line ends, and limits on what is read."""

from __future__ import annotations

import codecs
import io
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO

from backend.lists.entries import ListError, NotAListError

HEAD = 2**16
"""Bytes at the start of a list that show its encoding and its format."""

MARK = "\ufeff"
"""The byte order mark, which also stands where two files were joined."""

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, which begins the same
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_UNDECODABLE = "\udcff"
"""Stands for what the encoding does not allow; no decoder gives it for what is allowed."""
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_LINE_END = re.compile(r"\r\n|\r|\n")
_NAP_EVERY = 1000
"""Lines after which other requests have their turn."""


def _mark_undecodable(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return _UNDECODABLE, error.end


codecs.register_error("assay.undecodable", _mark_undecodable)


@dataclass(frozen=True)
class Limits:
    """Limits on the reading of a list.

    Attributes:
        line: bytes of a line in UTF-8, and characters of a value in a JSON document.
        cell: characters of a cell, which may have several lines.
        lines: lines, with empty ones and comments.
    """

    line: int
    cell: int
    lines: int | None = None


def encoding_of(head: bytes) -> str:
    """Return the encoding: by the byte order mark, else UTF-16 by its zeros, else UTF-8.

    In UTF-16 every ASCII character is a pair of itself and a zero byte. In a list of URLs a quarter
    of all pairs must be such, and ten times as many in one order as in the other. Zeros beside
    other bytes say nothing: an emoji can have them too.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return encoding
    pairs = list(zip(head[::2], head[1::2], strict=False))
    little = sum(0 < first < 128 and second == 0 for first, second in pairs)
    big = sum(first == 0 and 0 < second < 128 for first, second in pairs)
    if max(little, big) * 4 >= len(pairs) > 0 and max(little, big) > 10 * min(little, big):
        return "utf-16-le" if little > big else "utf-16-be"
    return "utf-8"


def decoded_head(head: bytes) -> str:
    """Decode the start of a list, without its byte order mark.

    Raises:
        NotAListError: it is binary: more than a quarter of it is control characters, or more than
            a twentieth while another twentieth cannot be decoded.
        ListError: it cannot be decoded.
    """
    encoding = encoding_of(head)
    decoder = codecs.getincrementaldecoder(encoding)("assay.undecodable")
    text = decoder.decode(head).removeprefix(MARK)
    control, undecodable = len(_CONTROL.findall(text)), text.count(_UNDECODABLE)
    if control * 4 > len(text) or min(control, undecodable) * 20 > len(text):
        raise NotAListError("This is a binary file, not a list of URLs.")
    if undecodable:
        before = text.partition(_UNDECODABLE)[0]
        raise _undecodable(len(_LINE_END.findall(before)) + 1, encoding)
    return text


def read_lines(file: IO[bytes], limits: Limits) -> Iterator[str]:
    r"""Read lines with their ends, which are ``\n``, ``\r\n`` or ``\r``, also mixed.

    Args:
        file: one that can be read from its start again.
        limits: on lines and their number.

    Raises:
        ListError: a line is too long or cannot be decoded, or there are too many.
    """
    with _text_of(file, newline="") as (text, encoding):
        number = 0
        while line := text.readline(limits.line + len("\r\n")):
            number += 1
            _check(line.rstrip("\r\n"), number, encoding, limits)
            if number % _NAP_EVERY == 0:
                time.sleep(0)
            yield line.removeprefix(MARK)


def read_pieces(file: IO[bytes]) -> Iterator[str]:
    r"""Read a text piece by piece, with ``\n`` for every line's end.

    Raises:
        ListError: it cannot be decoded.
    """
    with _text_of(file, newline=None) as (text, encoding):
        line, piece = 1, text.read(HEAD).removeprefix(MARK)
        while piece:
            if (at := piece.find(_UNDECODABLE)) >= 0:
                raise _undecodable(line + piece.count("\n", 0, at), encoding)
            line += piece.count("\n")
            time.sleep(0)
            yield piece
            piece = text.read(HEAD)


def _check(line: str, number: int, encoding: str, limits: Limits) -> None:
    too_long = len(line) > limits.line
    if not line.isascii():
        too_long |= len(line.encode(errors="replace")) > limits.line
        if _UNDECODABLE in line and not too_long:
            raise _undecodable(number, encoding)
    if too_long:
        raise ListError(number, f"This is longer than {limits.line:,} bytes.")
    if limits.lines is not None and number > limits.lines:
        raise ListError(number, f"More than {limits.lines:,} lines are not read.")


def _undecodable(line: int, encoding: str) -> ListError:
    name = encoding.upper().removesuffix("-LE").removesuffix("-BE")
    advice = " Save the list as UTF-8; Excel calls that “CSV UTF-8”." if name == "UTF-8" else ""
    return ListError(line, f"Not valid {name}.{advice}")


@contextmanager
def _text_of(file: IO[bytes], newline: str | None) -> Iterator[tuple[io.TextIOWrapper, str]]:
    """Decode a file from its start, and leave it open."""
    file.seek(0)
    encoding = encoding_of(file.read(HEAD))
    file.seek(0)
    text = io.TextIOWrapper(file, encoding, "assay.undecodable", newline)
    try:
        yield text, encoding
    finally:
        with suppress(ValueError):  # the file was closed before all of it was read
            text.detach()
