"""TIFF (TIFF 6.0 §2; BigTIFF)."""

from __future__ import annotations

import struct

from models.container.parts import MAX_FRAMES, Container, DamagedError

# A TIFF has tens of tags. It has at most one strip for each of 16,384 rows and 4 channels.
_MAX_TAGS = 1_000
_MAX_STRIPS = 2**17
_OFFSETS = frozenset({273, 324})  # of strips, of tiles


def read_tiff(data: bytes) -> Container:
    """Count the directories, and check the limits of the first one's tags."""
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    count, entry, link = (
        struct.Struct(order + layout)
        for layout in (("Q", "HHQ8s", "Q") if big else ("H", "HHI4s", "I"))
    )
    (offset,) = link.unpack_from(data, 8 if big else 4)
    seen: set[int] = set()
    while offset and offset not in seen and len(seen) < MAX_FRAMES:
        (tags,) = count.unpack_from(data, offset)
        end = offset + count.size + tags * entry.size
        if not seen:
            if tags > _MAX_TAGS:
                raise DamagedError("The TIFF has too many tags.")
            for tag, _, values, _ in entry.iter_unpack(data[offset + count.size : end]):
                if tag in _OFFSETS and values > _MAX_STRIPS:
                    raise DamagedError("The TIFF has too many strips.")
        seen.add(offset)
        (offset,) = link.unpack_from(data, end)
    return Container(data, frames=len(seen), exif=data)
