"""Take image files apart without decoding them: what the pixels need, and what was written beside.

Decoders get the first and nothing else, so that a file cannot spend time or memory on what nobody
looks at: megabytes of comments, compressed text, thousands of frames. What counts as written beside
is only what stands in its format's own place for it, never what follows the end of the image.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from PIL.AvifImagePlugin import AvifImageFile

# Frames are counted up to this many; the first is judged, so no more need to be known.
MAX_FRAMES = 10_000
# Real files have a few thousand parts at most: 20 MiB of PNG in usual chunks of 8 KiB are 2,560.
_MAX_PARTS = 50_000
# A TIFF has tens of tags, and at most one strip for each of 16,384 rows and 4 colours.
_MAX_TAGS = 1_000
_MAX_STRIPS = 2**17


class DamagedError(ValueError):
    """The file breaks its format's rules, ends too early, or has more parts than any real file."""


@dataclass(frozen=True)
class Container:
    """An image file's parts.

    Attributes:
        pixels: a file of the same format that holds what its first frame's pixels need.
        frames: number of frames, counted up to ``MAX_FRAMES``.
        passes: how often a decoder goes over all pixels (scans of a progressive JPEG).
        exif: the EXIF block, a TIFF structure; empty where there is none.
        xmp: the XMP packet; empty where there is none.
        texts: PNG's text chunks as (chunk type, body), not yet decompressed.
    """

    pixels: bytes
    frames: int = 1
    passes: int = 1
    exif: bytes = b""
    xmp: bytes = b""
    texts: tuple[tuple[bytes, bytes], ...] = ()


def take_apart(data: bytes, name: str) -> Container:
    """Take a file of a known format apart.

    A format without a reader here (BMP) has nothing beside its pixels.

    Args:
        data: the whole file.
        name: its format, as ``models.image.sniff`` names it.

    Raises:
        DamagedError: the file is not as its format has it.
    """
    reader = _READERS.get(name, Container)
    try:
        return reader(data)
    except (struct.error, IndexError, OverflowError) as error:  # the last: beyond any memory
        raise DamagedError("The file ends too early.") from error


# JPEG (ITU-T T.81 annex B)

_JPEG_MARKER = re.compile(rb"\xff+([^\x00\xff])")  # what lies between segments is skipped
_SOS, _APP1 = 0xDA, 0xE1
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})
# Comments and application segments say nothing of the pixels, but for those that say how to read
# the colours: JFIF's, an ICC profile, Adobe's transform.
_REMARKS = frozenset({0xFE, *range(0xE0, 0xF0)})
_COLOURS = {0xE0: b"JFIF\0", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}
_EXIF_MARK, _XMP_MARK = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"


def _read_jpeg(data: bytes) -> Container:
    kept = [data[:2]]
    exif = xmp = b""
    for marker, segment in _jpeg_header(data):
        body = segment[4:]
        if marker not in _REMARKS or (marker in _COLOURS and body.startswith(_COLOURS[marker])):
            kept.append(segment)
        elif marker == _APP1 and body.startswith(_EXIF_MARK):
            exif = exif or body.removeprefix(_EXIF_MARK)
        elif marker == _APP1 and body.startswith(_XMP_MARK):
            xmp = xmp or body.removeprefix(_XMP_MARK)
    scans = kept[-1]
    return Container(b"".join(kept), passes=scans.count(b"\xff\xda"), exif=exif, xmp=xmp)


def _jpeg_header(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each segment; the last holds all scans, from the first SOS to the end of the image."""
    position = 2
    for _ in range(_MAX_PARTS):
        match = _JPEG_MARKER.search(data, position)
        if match is None:
            raise DamagedError("The JPEG ends before its pixels.")
        marker, start = match[1][0], match.end() - 2
        if marker == _SOS:
            # In a scan's data no byte but 0 or a restart marker follows 0xFF.
            end = data.find(b"\xff\xd9", start)
            yield marker, data[start : end + 2] if end >= 0 else data[start:]
            return
        position = match.end()
        if marker not in _STANDALONE:
            (length,) = struct.unpack_from(">H", data, position)
            position += length
            yield marker, data[start:position]
    raise DamagedError("The JPEG has too many segments.")


# PNG (W3C PNG third edition, §5)

_PNG_CHUNK = struct.Struct(">I4s")
_PNG_PIXELS = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"iCCP"})
_PNG_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})


def _read_png(data: bytes) -> Container:
    kept = [data[:8]]
    texts = []
    exif, frames = b"", 0
    for kind, chunk in _png_chunks(data):
        if kind in _PNG_PIXELS:
            kept.append(chunk)
        elif kind in _PNG_TEXTS:
            texts.append((kind, chunk[8:-4]))
        elif kind == b"eXIf":
            exif = chunk[8:-4]
        elif kind == b"fcTL":
            frames += 1
    return Container(b"".join(kept), frames=max(1, frames), exif=exif, texts=tuple(texts))


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield every chunk up to IEND, each whole; optional ones that are damaged are left out."""
    position = 8
    for _ in range(_MAX_PARTS):
        length, kind = _PNG_CHUNK.unpack_from(data, position)
        end = position + length + 12
        (crc,) = struct.unpack_from(">I", data, end - 4)
        intact = zlib.crc32(memoryview(data)[position + 4 : end - 4]) == crc
        if intact:
            yield kind, data[position:end]
        elif kind[:1].isupper():
            raise DamagedError("A PNG chunk's checksum is wrong.")
        if kind == b"IEND":
            return
        position = end
    raise DamagedError("The PNG has too many chunks.")


# GIF (GIF89a specification)

_GIF_EXTENSION, _GIF_IMAGE, _GIF_GRAPHIC_CONTROL = 0x21, 0x2C, 0xF9


def _read_gif(data: bytes) -> Container:
    position = 13 + _gif_colour_table(data[10])
    screen, control, first, frames = data[:position], b"", b"", 0
    try:
        while frames < MAX_FRAMES:
            start, kind = position, data[position]
            if kind == _GIF_EXTENSION:
                position = _gif_after_sub_blocks(data, start + 2)
                if not first and data[start + 1] == _GIF_GRAPHIC_CONTROL:
                    control = data[start:position]
            elif kind == _GIF_IMAGE:
                position = start + 11 + _gif_colour_table(data[start + 9])
                position = _gif_after_sub_blocks(data, position)
                first = first or data[start:position]
                frames += 1
            else:  # the trailer, or what browsers take for it
                break
    except IndexError:
        if not first:
            raise
    return Container(screen + control + first + b";", frames=frames)


def _gif_colour_table(flags: int) -> int:
    """Return a colour table's length in bytes."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _gif_after_sub_blocks(data: bytes, position: int) -> int:
    while size := data[position]:
        position += size + 1
    return position + 1


# WebP (RFC 9649 §2.3)


def _read_webp(data: bytes) -> Container:
    exif, xmp, frames = b"", b"", 0
    (size,) = struct.unpack_from("<I", data, 4)
    position, end = 12, min(len(data), size + 8)
    for _ in range(_MAX_PARTS):
        if position + 8 > end:
            return Container(data, frames=max(1, frames), exif=exif, xmp=xmp)
        kind, size = struct.unpack_from("<4sI", data, position)
        body = slice(position + 8, min(end, position + 8 + size))
        if kind == b"EXIF":
            exif = data[body].removeprefix(_EXIF_MARK)
        elif kind == b"XMP ":
            xmp = data[body]
        elif kind == b"ANMF":
            frames += 1
        position += 8 + size + size % 2
    raise DamagedError("The WebP has too many chunks.")


# TIFF (TIFF 6.0 §2; BigTIFF)

_TIFF_OFFSETS = frozenset({273, 324})  # of strips, of tiles


def _read_tiff(data: bytes) -> Container:
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
                if tag in _TIFF_OFFSETS and values > _MAX_STRIPS:
                    raise DamagedError("The TIFF has too many strips.")
        seen.add(offset)
        (offset,) = link.unpack_from(data, end)
    return Container(data, frames=len(seen), exif=data)


# AVIF: libavif reads its boxes, and what turns the image beside its EXIF


def _read_avif(data: bytes) -> Container:
    with AvifImageFile(io.BytesIO(data)) as image:
        return Container(
            data,
            frames=min(image.n_frames, MAX_FRAMES),
            exif=image.info.get("exif", b""),
            xmp=image.info.get("xmp", b""),
        )


_READERS: dict[str, Callable[[bytes], Container]] = {
    "jpeg": _read_jpeg,
    "png": _read_png,
    "gif": _read_gif,
    "webp": _read_webp,
    "tiff": _read_tiff,
    "avif": _read_avif,
}
