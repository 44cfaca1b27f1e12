"""Small bodies that unpack to 100 MiB of zeros, built once for all tests: it takes time."""

from __future__ import annotations

import gzip
import struct
import zlib

_ZEROS = bytes(100 * 2**20)

ZLIB_BOMB = zlib.compress(_ZEROS, 1)
DEFLATE_BOMB = ZLIB_BOMB[2:-4]
"""The same without header and checksum."""
GZIP_BOMB = (
    gzip.compress(b"")[:10] + DEFLATE_BOMB + struct.pack("<II", zlib.crc32(_ZEROS), len(_ZEROS))
)
GZIP_IN_GZIP_BOMB = gzip.compress(GZIP_BOMB)
MANY_MEMBERS = gzip.compress(b"") * 2_000_000
"""Two million empty members of gzip."""
