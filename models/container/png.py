"""PNG (W3C PNG third edition, §5 and §11)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from models.container.parts import MAX_PARTS, ColourTags, Container, DamagedError

_SIGNATURE = 8
_CHUNK = struct.Struct(">I4s")
_PIXELS = frozenset({b"IHDR", b"PLTE", b"IDAT", b"tRNS", b"iCCP"})
_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
# The colour chunks and their length in bytes. A chunk of another length is ignored.
_COLOURS = {b"cICP": 4, b"sRGB": 1, b"gAMA": 4, b"cHRM": 32, b"cLLI": 8, b"mDCV": 24}
_END = b"\0\0\0\0IEND\xae\x42\x60\x82"


def read_png(data: bytes) -> Container:
    """Keep the parts that the pixels need, up to the end of the first run of IDAT chunks."""
    kept = [data[:_SIGNATURE]]
    texts = []
    exif, frames = b"", 0
    colours: dict[bytes, bytes] = {}
    for kind, chunk in _chunks(data):
        body = chunk[8:-4]
        if kind in _PIXELS:
            kept.append(chunk)
        elif kind in _TEXTS:
            texts.append((kind, body))
        elif kind == b"eXIf":
            exif = body
        elif kind == b"fcTL":
            frames += 1
        elif _COLOURS.get(kind) == len(body):
            colours.setdefault(kind, body)
    return Container(
        b"".join((*kept, _END)),
        frames=max(1, frames),
        colours=_colour_tags(colours),
        exif=exif,
        texts=tuple(texts),
    )


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield every whole chunk up to IEND. Damaged optional chunks are left out.

    Decoders stop after the first run of IDAT chunks. After that run, damage ends the reading, and
    chunks that belong before it are ignored. A file that ends within an IDAT chunk may still hold
    all pixels, so the partial chunk is yielded.

    Raises:
        DamagedError: a required chunk before the end of the pixels is damaged.
        struct.error: the file ends before the pixels start.
    """
    position, started, over = _SIGNATURE, False, False
    for _ in range(MAX_PARTS):
        if started and position + _CHUNK.size > len(data):
            return
        length, kind = _CHUNK.unpack_from(data, position)
        over = over or (started and kind != b"IDAT")
        started = started or kind == b"IDAT"
        end = position + length + 12
        if started and end > len(data):
            if not over:
                yield kind, _whole(kind, data[position + 8 : end - 4])
            return
        (crc,) = struct.unpack_from(">I", data, end - 4)
        if zlib.crc32(memoryview(data)[position + 4 : end - 4]) == crc:
            if not (over and (kind in _PIXELS or kind in _COLOURS)):
                yield kind, data[position:end]
        elif kind[:1].isupper() and not over:
            raise DamagedError("A PNG chunk's checksum is wrong.")
        if kind == b"IEND":
            return
        position = end
    raise DamagedError("The PNG has too many chunks.")


def _whole(kind: bytes, body: bytes) -> bytes:
    """Return a whole chunk with its checksum."""
    return _CHUNK.pack(len(body), kind) + body + struct.pack(">I", zlib.crc32(kind + body))


def without_checksum(pixels: bytes) -> bytes:
    """Remove the checksum at the end of a PNG's compressed pixels (RFC 1950).

    A wrong checksum makes a decoder fail even if every row is present. A missing one does not.

    Args:
        pixels: a PNG as returned by `read_png`. Its last chunk before IEND is an IDAT.
    """
    start, following = _SIGNATURE, _SIGNATURE
    while following < len(pixels) - len(_END):
        start = following
        following += _CHUNK.unpack_from(pixels, start)[0] + 12
    body = pixels[start + 8 : following - 4]
    return pixels[:start] + _whole(b"IDAT", body[:-4]) + _END


# Colour (§11.3.2; SMPTE ST 2086 and CTA-861.3 for the luminance)


def _colour_tags(chunks: dict[bytes, bytes]) -> ColourTags:
    """Read the colour chunks. Invalid values count as not stated."""
    primaries, transfer, matrix, full_range = chunks.get(b"cICP", bytes(4))
    (gamma,) = struct.unpack(">I", chunks.get(b"gAMA", bytes(4)))
    (content_peak,) = struct.unpack_from(">I", chunks.get(b"cLLI", bytes(8)))
    (display_peak,) = struct.unpack_from(">I", chunks.get(b"mDCV", bytes(24)), 16)
    points = struct.unpack(">8I", chunks[b"cHRM"]) if b"cHRM" in chunks else ()
    return ColourTags(
        cicp=(primaries, transfer) if (matrix, full_range) == (0, 1) else None,
        srgb=chunks.get(b"sRGB", b"\xff")[0] <= 3,  # the valid rendering intents
        gamma=gamma / 100_000,
        chromaticities=tuple(point / 100_000 for point in points),
        peak=(content_peak or display_peak) / 10_000,
    )
