"""AVIF. libavif reads the boxes and stores the orientation in the EXIF.

Pillow neither exposes libavif's colour information nor converts colours. So this module reads it
(ISO/IEC 14496-12 §12.1.5), from the primary item's properties (23008-12 §9.3) or from a sequence's
track.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

from PIL.AvifImagePlugin import AvifImageFile

from models.colour_encodings import VIDEO_CURVES
from models.container.parts import MAX_FRAMES, ColourTags, Container

# An image of one item has about ten boxes per level. Many tiles or frames need hundreds.
_MAX_BOXES = 10_000
# The defaults of MIAF: primaries of BT.709 and the transfer function of sRGB.
_UNSPECIFIED, _DEFAULT_PRIMARIES, _DEFAULT_CURVE = 2, 1, 13
_TO_FRAMES = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")
_STSD_FIELDS, _SAMPLE_ENTRY_FIELDS, _FULL_BOX_FIELDS = 8, 78, 4

_Boxes = Iterator[tuple[bytes, memoryview]]


def read_avif(data: bytes) -> Container:
    """Read frames, EXIF and XMP with libavif, and the colour information here."""
    with AvifImageFile(io.BytesIO(data)) as image:
        return Container(
            data,
            frames=min(image.n_frames, MAX_FRAMES),
            # If there is an ICC profile, browsers use it alone.
            colours=ColourTags() if image.info.get("icc_profile") else colour_tags(data),
            exif=image.info.get("exif", b""),
            xmp=image.info.get("xmp", b""),
        )


def colour_tags(data: bytes) -> ColourTags:
    """Read the colour information. Return empty tags if it is missing or broken."""
    view = memoryview(data)
    cicp, content_peak, display_peak = None, 0, 0
    try:
        for kind, body in _properties(view):
            if kind == b"colr" and bytes(body[:4]) == b"nclx" and cicp is None:
                primaries, transfer = struct.unpack_from(">HH", body, 4)
                cicp = (
                    _DEFAULT_PRIMARIES if primaries == _UNSPECIFIED else primaries,
                    _curve(transfer),
                )
            elif kind == b"clli":
                (content_peak,) = struct.unpack_from(">H", body)
            elif kind == b"mdcv":
                (display_peak,) = struct.unpack_from(">I", body, 16)
    except struct.error:
        return ColourTags()
    return ColourTags(cicp=cicp, peak=content_peak or display_peak / 10_000)


def _curve(transfer: int) -> int:
    """Treat an unspecified transfer function, and those of video, as sRGB, as browsers do."""
    return _DEFAULT_CURVE if transfer == _UNSPECIFIED or transfer in VIDEO_CURVES else transfer


def _properties(view: memoryview) -> _Boxes:
    """Yield the properties of a sequence's track, or else of the primary item."""
    if bytes(view[8:12]) == b"avis":
        for name in _TO_FRAMES:
            view = _first(view, name)
        for _, entry in _boxes(view[_STSD_FIELDS:]):
            yield from _boxes(entry[_SAMPLE_ENTRY_FIELDS:])
            return
    meta = _first(view, b"meta")[_FULL_BOX_FIELDS:]
    primary = _first(meta, b"pitm")
    (version,) = struct.unpack_from(">B", primary)
    (item,) = struct.unpack_from(">I" if version else ">H", primary, _FULL_BOX_FIELDS)
    described = _first(meta, b"iprp")
    properties = list(_boxes(_first(described, b"ipco")))
    for index in _associated(_first(described, b"ipma"), item):
        if 0 < index <= len(properties):
            yield properties[index - 1]


def _associated(view: memoryview, item: int) -> Iterator[int]:
    """Yield the indices, from 1, of an item's properties (23008-12 §9.3.1)."""
    version, wide, count = struct.unpack_from(">BxxBI", view)
    entry = struct.Struct(">IB" if version else ">HB")
    index = struct.Struct(">H" if wide & 1 else ">B")
    essential = 1 << (8 * index.size - 1)
    position = 8
    for _ in range(min(count, _MAX_BOXES)):
        owner, number = entry.unpack_from(view, position)
        position += entry.size
        if owner == item:
            for offset in range(number):
                yield index.unpack_from(view, position + offset * index.size)[0] & ~essential
            return
        position += number * index.size


def _boxes(view: memoryview) -> _Boxes:
    """Yield each box as (type, body). The last may be truncated."""
    position = 0
    for _ in range(_MAX_BOXES):
        if position + 8 > len(view):
            return
        size, kind = struct.unpack_from(">I4s", view, position)
        header = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", view, position + 8)
            header = 16
        end = position + size if size else len(view)
        yield kind, view[position + header : end]
        position += max(size, header) if size else len(view)


def _first(view: memoryview, name: bytes) -> memoryview:
    """Return the body of the first box of a type. Empty if there is none."""
    return next((body for kind, body in _boxes(view) if kind == name), memoryview(b""))
