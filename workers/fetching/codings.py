"""Content codings, which some servers apply although none was requested (RFC 9110 §8.4).

The header is read as browsers read it: if it names any unknown coding, it is ignored, and the bytes
are used as they are. No step unpacks more bytes than the limit.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

from models.errors import ErrorCode
from workers.fetching import FetchError

_MOST_CODINGS = 10

# zlib's names for the formats of RFC 1952, RFC 1950 and RFC 1951.
_GZIP, _ZLIB, _DEFLATE = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS


def unpack(data: bytes, header: str, max_bytes: int) -> bytes:
    """Undo the codings that a Content-Encoding header names.

    Args:
        data: the body, as it was sent.
        header: the header's value; several headers are joined by commas.
        max_bytes: the limit of the file, and of each intermediate step.

    Raises:
        FetchError: too_large; unsupported_format for Brotli and Zstandard, which browsers know, and
            for too many codings; corrupt_image for bytes that cannot be unpacked.
    """
    codings = [coding.strip().lower() for coding in header.split(",")]
    if not _KNOWN.issuperset(codings):
        return data
    if len(codings) > _MOST_CODINGS or not _UNPACK.keys() >= set(codings):
        raise FetchError(
            ErrorCode.UNSUPPORTED_FORMAT,
            "The server compressed the file in a way that was not asked for and cannot be undone.",
        )
    for coding in reversed(codings):
        try:
            data = _UNPACK[coding](data, max_bytes + 1)
        except zlib.error as error:
            raise FetchError(
                ErrorCode.CORRUPT_IMAGE,
                f"The server sent the file as {coding}, but it cannot be unpacked.",
            ) from error
        if len(data) > max_bytes:
            raise FetchError(ErrorCode.TOO_LARGE, "The file is too large.")
    return data


def _gzip(data: bytes, most: int) -> bytes:
    return zlib.decompressobj(_GZIP).decompress(data, most)  # like browsers, read one member only


def _deflate(data: bytes, most: int) -> bytes:
    """Unpack what the RFC defines, or what some servers send: the same without a zlib header."""
    try:
        return zlib.decompressobj(_ZLIB).decompress(data, most)
    except zlib.error:
        return zlib.decompressobj(_DEFLATE).decompress(data, most)


_UNPACK: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
}
# Browsers request Brotli and Zstandard. Here a server sent them unasked.
_KNOWN = {*_UNPACK, "br", "zstd"}
