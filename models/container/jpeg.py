"""JPEG (ITU-T T.81 annex B)."""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterator

from models.container.parts import EXIF_MARK, MAX_PARTS, Container, DamagedError

_MARKER = re.compile(rb"\xff+([^\x00\xff])")  # bytes between segments are skipped
# In a scan's data, only 0, a restart marker or a fill byte may follow 0xFF.
_END_OF_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_SOI, _EOI, _SOS, _APP1 = 0xD8, 0xD9, 0xDA, 0xE1
_MAX_COMPONENTS = 4  # in a scan (T.81 annex B.2.3)
_STANDALONE = frozenset({0x01, *range(0xD0, 0xDA)})
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
# Comments and application segments are not needed for the pixels. The exceptions describe the
# colours: JFIF, ICC profile, Adobe transform.
_REMARKS = frozenset({0xFE, *range(0xE0, 0xF0)})
_COLOURS = {0xE0: b"JFIF\0", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}
_XMP_MARK = b"http://ns.adobe.com/xap/1.0/\0"
# XMP of more than 64 KB goes on in further segments (XMP specification, part 3): the digest of the
# whole, its length, and the offset of the segment.
_MORE_XMP_MARK = b"http://ns.adobe.com/xmp/extension/\0"
_MORE_XMP = struct.Struct(">32sII")
_END = b"\xff\xd9"


def read_jpeg(data: bytes) -> Container:
    """Keep the parts that the pixels need, up to the end of the image.

    A decoder needs a marker to know that a scan has ended. If the marker after the last scan is
    missing, browsers show all pixels of an image with several scans. With one scan they leave out
    the last rows.
    """
    kept = [data[:2]]
    exif = xmp = b""
    more_xmp: dict[bytes, list[tuple[int, bytes]]] = {}
    scans = _Scans()
    marker = 0
    for marker, segment in _segments(data):
        if marker not in _REMARKS:
            kept.append(segment)
            scans.read(marker, segment)
        elif not scans.number:
            body = segment[4:]
            if marker in _COLOURS and body.startswith(_COLOURS[marker]):
                kept.append(segment)
            elif marker == _APP1 and body.startswith(EXIF_MARK):
                exif = exif or body.removeprefix(EXIF_MARK)
            elif marker == _APP1 and body.startswith(_XMP_MARK):
                xmp = xmp or body.removeprefix(_XMP_MARK)
            elif marker == _APP1 and body.startswith(_MORE_XMP_MARK):
                body = body.removeprefix(_MORE_XMP_MARK)
                name, _, offset = _MORE_XMP.unpack_from(body)
                more_xmp.setdefault(name, []).append((offset, body[_MORE_XMP.size :]))
    if not scans.number:
        raise DamagedError("The JPEG ends before its pixels.")
    cut = marker != _EOI and (marker != _SOS or scans.several)
    if cut:
        if not scans.complete():
            raise DamagedError("The JPEG ends before its last scan.")
        kept.append(_END)
    return Container(
        b"".join(kept),
        passes=scans.number,
        cut=cut,
        exif=exif,
        xmp=xmp,
        more_xmp=_joined(xmp, more_xmp),
    )


def _joined(xmp: bytes, parts: dict[bytes, list[tuple[int, bytes]]]) -> bytes:
    """Join the parts of the extended packet that the packet names by its digest."""
    for name, pieces in parts.items():
        packet = b"".join(piece for _, piece in sorted(pieces))
        digest = hashlib.md5(packet, usedforsecurity=False).hexdigest().upper().encode()
        if name.upper() == digest and digest in xmp.upper():
            return packet
    return b""


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each segment as (marker, whole segment) up to the end of the image.

    The segment of a scan includes the scan's data. The segment is empty if the file ends within it
    or if it starts another image.

    Raises:
        DamagedError: there are too many segments.
    """
    position, in_scans = 2, False
    for _ in range(MAX_PARTS):
        match = _MARKER.search(data, position)
        if match is None:
            return
        marker, start = match[1][0], match.end() - 2
        position = match.end()
        if marker in _STANDALONE:
            if in_scans and marker in (_EOI, _SOI):
                yield marker, _END if marker == _EOI else b""
                return
            continue
        if position + 2 <= len(data):
            (length,) = struct.unpack_from(">H", data, position)
            position += length
        if position + 2 > len(data):
            yield marker, b""
            return
        if marker == _SOS:
            in_scans = True
            end_of_scan = _END_OF_SCAN.search(data, position)
            position = end_of_scan.start() if end_of_scan else len(data)
        yield marker, data[start:position]
    raise DamagedError("The JPEG has too many segments.")


class _Scans:
    """Tracks which bits of each coefficient the scans have delivered (T.81 annex G.1.1.1).

    Attributes:
        number: of scans so far.
        several: whether the image needs more than one scan.
    """

    def __init__(self) -> None:
        self.number = 0
        self.several = False
        self._progressive = False
        self._missing_bits: dict[int, bytearray] = {}  # of each component's 64 coefficients

    def read(self, marker: int, segment: bytes) -> None:
        """Process a segment."""
        if marker in _FRAMES and segment:
            self._progressive = marker in _PROGRESSIVE
            components = segment[10 : 10 + 3 * segment[9] : 3]
            self._missing_bits = {component: bytearray(b"\xff" * 64) for component in components}
        elif marker == _SOS and segment:
            self.number += 1
            self._read_scan(segment)

    def _read_scan(self, segment: bytes) -> None:
        number = segment[4]
        if number > _MAX_COMPONENTS:
            raise DamagedError("A JPEG's scan has too many components.")
        components = segment[5 : 5 + 2 * number : 2]
        first, last, approximation = struct.unpack_from("3B", segment, 5 + 2 * number)
        self.several = self.several or self._progressive or number < len(self._missing_bits)
        if not self._progressive:
            first, last, approximation = 0, 63, 0
        for component in components:
            if component in self._missing_bits and first <= last < 64:
                bits = bytes((approximation & 15,)) * (last + 1 - first)
                self._missing_bits[component][first : last + 1] = bits

    def complete(self) -> bool:
        """Say whether every coefficient of every component has all its bits."""
        return not any(any(bits) for bits in self._missing_bits.values())


# Bits that no decoder treats as the end of a scan. They include every restart marker.
_FILLER = b"".join(bytes(range(254, 0, -1)) + bytes((0xFF, mark)) for mark in range(0xD0, 0xD8))


def with_filler(pixels: bytes) -> bytes:
    """Insert meaningless bits before the end marker.

    A decoder that has all pixels never reads them. Otherwise it decodes them as pixels.

    Args:
        pixels: a JPEG as returned by `read_jpeg`, with its end marker.
    """
    return pixels[: -len(_END)].rstrip(b"\xff") + _FILLER + _END
