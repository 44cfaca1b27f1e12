"""Parses image containers without decoding: separates pixel data from metadata.

Decoders get only the parts that the first frame's pixels need. So a file cannot waste time or
memory with megabytes of comments, compressed text or thousands of frames. Metadata counts only at
the place that its format defines. Data after the end of the image is ignored.

A damaged file is read up to the damage. If all pixels are before it, the image is decoded, as
browsers do.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from models.container.avif import read_avif
from models.container.gif import read_gif
from models.container.jpeg import read_jpeg
from models.container.parts import ColourTags, Container, DamagedError
from models.container.png import read_png
from models.container.tiff import read_tiff
from models.container.webp import read_webp

__all__ = ["ColourTags", "Container", "DamagedError", "parse_container"]

_READERS: dict[str, Callable[[bytes], Container]] = {
    "jpeg": read_jpeg,
    "png": read_png,
    "gif": read_gif,
    "webp": read_webp,
    "tiff": read_tiff,
    "avif": read_avif,
}


def parse_container(data: bytes, name: str) -> Container:
    """Parse a file of a known format.

    BMP has no reader here. It holds nothing but pixels.

    Args:
        data: the whole file.
        name: its format, as returned by ``models.image.sniff``.

    Raises:
        DamagedError: the file violates its format.
    """
    reader = _READERS.get(name, Container)
    try:
        return reader(data)
    except (struct.error, IndexError, OverflowError) as error:  # the last: offsets beyond memory
        raise DamagedError("The file ends too early.") from error
