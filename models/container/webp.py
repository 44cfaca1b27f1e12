"""WebP (RFC 9649 §2.3)."""

from __future__ import annotations

import struct

from models.container.parts import EXIF_MARK, MAX_PARTS, Container, DamagedError


def read_webp(data: bytes) -> Container:
    """Read EXIF and XMP, and count the frames. libwebp decodes the whole file."""
    exif, xmp, frames = b"", b"", 0
    (size,) = struct.unpack_from("<I", data, 4)
    position, end = 12, min(len(data), size + 8)
    for _ in range(MAX_PARTS):
        if position + 8 > end:
            return Container(data, frames=max(1, frames), exif=exif, xmp=xmp)
        kind, size = struct.unpack_from("<4sI", data, position)
        body = slice(position + 8, min(end, position + 8 + size))
        if kind == b"EXIF":
            exif = data[body].removeprefix(EXIF_MARK)
        elif kind == b"XMP ":
            xmp = data[body]
        elif kind == b"ANMF":
            frames += 1
        position += 8 + size + size % 2
    raise DamagedError("The WebP has too many chunks.")
