"""Files with a damaged end or damaged metadata, and whether a browser shows all pixels.

Each row was tested in Chromium, and ``tests/e2e/test_browser_pixels.py`` tests it again. Assay
decodes the files that Chromium shows completely.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from tests.models.image_files import (
    jpeg_segment,
    picture,
    png_chunk,
    png_chunks,
    with_jpeg_segment,
    with_png_chunk,
    with_wrong_crc,
)
from tests.pictures import encoded

PICTURE = picture(200, 150)


class DamagedFile(NamedTuple):
    """A damaged file, the intact original, and whether Chromium shows all pixels."""

    name: str
    data: bytes
    intact: bytes
    whole: bool
    why: str


@cache
def damaged_files() -> list[DamagedFile]:
    return [
        *(*_whole_pngs(), *_partial_pngs(), *_apngs(), *_jpegs(), *_progressive_jpegs()),
        *(*_gifs(), *_webps(), *_others()),
    ]


def rejected_though_shown() -> Iterator[DamagedFile]:
    """Files that Chromium shows and Assay rejects: the checksum of the pixels is wrong."""
    png = encoded(PICTURE, "PNG")
    head, pixels, end = _png_parts(png)
    third = len(pixels) // 3
    wrong = with_wrong_crc(png_chunk(b"IDAT", pixels))
    yield DamagedFile("PNG: wrong CRC of its pixels", head + wrong + end, png, True, "")
    first, last = png_chunk(b"IDAT", pixels[:third]), png_chunk(b"IDAT", pixels[third:])
    data = head + first + with_wrong_crc(last) + end
    yield DamagedFile("PNG: wrong CRC of its last pixels", data, png, True, "")


def _png_parts(png: bytes) -> tuple[bytes, bytes, bytes]:
    """Return the bytes before the pixels, the compressed pixels, and the end."""
    chunks = png_chunks(png)
    pixels = b"".join(chunk[8:-4] for chunk in chunks if chunk[4:8] == b"IDAT")
    return png[: png.index(b"IDAT") - 4], pixels, chunks[-1]


PNG = encoded(PICTURE, "PNG")
PALETTE_PNG = encoded(PICTURE.quantize(64), "PNG")
TEXT = png_chunk(b"tEXt", b"Title\0a title")


def _png(name: str, data: bytes, whole: bool, why: str) -> DamagedFile:
    return DamagedFile(f"PNG: {name}", data, PNG, whole, why)


def _whole_pngs() -> Iterator[DamagedFile]:
    head, pixels, end = _png_parts(PNG)
    body = head + png_chunk(b"IDAT", pixels)
    after = "all rows came before it"
    yield _png("no IEND", body, True, after)
    for length in (1, 4, 7, 8, 11):
        yield _png(f"IEND cut to {length} bytes", body + end[:length], True, after)
    yield _png("wrong CRC of IEND", body + with_wrong_crc(end), True, after)
    yield _png("IEND of impossible length", body + b"\xff" * 4 + end[4:], True, after)
    yield _png("IEND with a body", body + png_chunk(b"IEND", b"abc"), True, after)
    yield _png("zeros for IEND", body + bytes(100), True, after)
    yield _png("text for IEND", body + b"This is no chunk, but a sentence.", True, after)
    yield _png("bytes after IEND", PNG + b"PK\3\4" + bytes(1000), True, after)
    yield _png("cut text chunk for IEND", body + TEXT[:-6], True, after)
    yield _png("half a chunk header for IEND", body + b"\0\0", True, after)
    yield _png("wrong CRC of text after the pixels", body + with_wrong_crc(TEXT) + end, True, after)
    critical = with_wrong_crc(png_chunk(b"ABCD", b"x"))
    yield _png("wrong CRC of a critical chunk after the pixels", body + critical + end, True, after)
    yield _png("a second IHDR after the pixels", body + png_chunks(PNG)[0] + end, True, after)
    optional = "an optional chunk is left out"
    for kind in (b"tEXt", b"gAMA", b"eXIf", b"cICP", b"acTL"):
        chunk = with_wrong_crc(png_chunk(kind, bytes(8)))
        name = f"wrong CRC of {kind.decode()} before the pixels"
        yield _png(name, with_png_chunk(PNG, chunk), True, optional)
    yield _png("pixels' CRC cut off", body[:-4], True, "a browser shows rows as they come")
    yield _png("pixels' CRC cut in two", body[:-2], True, "a browser shows rows as they come")
    yield _png("checksum of zlib cut off", body[:-8], True, "a browser shows rows as they come")
    yield _png("checksum of zlib cut in two", body[:-6], True, "a browser shows rows as they come")
    wrong = pixels[:-1] + bytes((pixels[-1] ^ 1,))
    data = head + png_chunk(b"IDAT", wrong) + end
    yield _png("wrong checksum of zlib", data, True, "all rows came before it")
    data = head + png_chunk(b"IDAT", pixels[:-4]) + end
    yield _png("no checksum of zlib", data, True, "all rows came before it")
    data = head + png_chunk(b"IDAT", pixels + b"more than the rows") + end
    yield _png("more pixels than rows", data, True, "the rest is ignored")
    halves = [png_chunk(b"IDAT", half) for half in (pixels[:5000], pixels[5000:])]
    yield _png("empty IDATs", head + png_chunk(b"IDAT", b"") + b"".join(halves) + end, True, "")
    interlaced = encoded(PICTURE, "PNG", interlace=1)
    yield DamagedFile("PNG: interlaced, no IEND", interlaced[:-12], interlaced, True, after)
    yield DamagedFile("PNG: palette, no IEND", PALETTE_PNG[:-12], PALETTE_PNG, True, after)


def _partial_pngs() -> Iterator[DamagedFile]:
    head, pixels, end = _png_parts(PNG)
    body = head + png_chunk(b"IDAT", pixels)
    halves = [png_chunk(b"IDAT", half) for half in (pixels[:5000], pixels[5000:])]
    part = "rows are missing"
    yield _png("cut in the last row", body[:-30], False, part)
    yield _png("cut in the middle", body[: len(body) // 2], False, part)
    yield _png("pixels too short, the end in place", head + halves[0] + end, False, part)
    data = head + halves[0] + TEXT + halves[1] + end
    yield _png("text between the pixels", data, False, "IDAT chunks have to follow each other")
    data = head + halves[0] + with_wrong_crc(TEXT) + halves[1] + end
    yield _png("damaged text between the pixels", data, False, "so do they here")
    data = head + with_wrong_crc(halves[0]) + halves[1] + end
    yield _png("wrong CRC amid the pixels", data, False, "reading ends there")
    header = with_wrong_crc(png_chunks(PNG)[0])
    yield _png("wrong CRC of IHDR", PNG[:8] + header + PNG[33:], False, "nothing is known")
    colours = next(chunk for chunk in png_chunks(PALETTE_PNG) if chunk[4:8] == b"PLTE")
    data = PALETTE_PNG.replace(colours, with_wrong_crc(colours))
    yield DamagedFile("PNG: wrong CRC of PLTE", data, PALETTE_PNG, False, "no colours")


def _apngs() -> Iterator[DamagedFile]:
    apng = encoded(PICTURE, "PNG", save_all=True, append_images=[PICTURE.rotate(90)])
    second, pixels = apng.rindex(b"fcTL") - 4, apng.index(b"fdAT")
    first = "the first frame is there"
    for name, end in (
        ("no IEND", len(apng) - 12),
        ("cut in the second frame", pixels + 2000),
        ("cut before the second frame", second),
        ("cut in the second frame's header", second + 10),
    ):
        yield DamagedFile(f"APNG: {name}", apng[:end], apng, True, first)


def _jpegs() -> Iterator[DamagedFile]:
    for kind, options in (("JPEG", {}), ("JPEG with restarts", {"restart_marker_rows": 1})):
        jpeg = encoded(PICTURE, "JPEG", **options)
        scan, end = jpeg[:-2], jpeg[-2:]

        def row(name: str, data: bytes, whole: bool, why: str, jpeg: bytes = jpeg) -> DamagedFile:
            return DamagedFile(f"{kind}: {name}", data, jpeg, whole, why)  # noqa: B023

        ignored = "what decoders skip"
        comment = jpeg_segment(0xFE, b"a comment \xff\xd9\xff\xda")
        yield row("fill bytes before EOI", scan + b"\xff\xff\xff" + end, True, ignored)
        yield row("text before EOI", scan + b"some text\0\0" + end, True, ignored)
        yield row("zeros before EOI", scan + bytes(200) + end, True, ignored)
        yield row("a comment before EOI", scan + comment + end, True, ignored)
        yield row("a restart marker before EOI", scan + b"\xff\xd0" + end, True, ignored)
        yield row("DNL before EOI", scan + jpeg_segment(0xDC, b"\0\x96") + end, True, ignored)
        yield row("bytes after EOI", jpeg + b"PK\3\4" + bytes(1000), True, ignored)
        yield row("a second image", jpeg + jpeg, True, ignored)
        yield row("EOI in a comment", with_jpeg_segment(jpeg, comment), True, ignored)
        yield row("text between segments", jpeg[:20] + b"\0abc" + jpeg[20:], True, ignored)
        marked = "any marker ends the scan"
        yield row("a comment for EOI", scan + comment, True, marked)
        yield row("a cut comment for EOI", scan + comment[:8], True, marked)
        yield row("another image for EOI", scan + jpeg, True, marked)
        yield row("zeros for EOI", scan + bytes(200), True, "the scan is long enough")

        part = "the last rows are not shown before a marker comes"
        yield row("no EOI", scan, False, part)
        yield row("half EOI", scan + b"\xff", False, part)
        for length in (1, 20, 200):
            yield row(f"cut by {length}, no EOI", scan[:-length], False, part)
        grey = "blocks are missing, and painted grey"
        yield row("cut, but ended", scan[: len(scan) * 2 // 3] + end, False, grey)
        yield row("cut, a comment, the end", scan[: len(scan) // 2] + comment + end, False, grey)
        yield row("cut by 200, but ended", scan[:-200] + end, False, grey)


def _progressive_jpegs() -> Iterator[DamagedFile]:
    jpeg = encoded(PICTURE, "JPEG", progressive=True)
    scan, end = jpeg[:-2], jpeg[-2:]
    scans = [place for place in range(len(jpeg)) if jpeg[place : place + 2] == b"\xff\xda"]

    def row(name: str, data: bytes, whole: bool, why: str) -> DamagedFile:
        return DamagedFile(f"progressive JPEG: {name}", data, jpeg, whole, why)

    ignored = "what decoders skip"
    comment = jpeg_segment(0xFE, b"a comment \xff\xd9\xff\xda")
    exif = jpeg_segment(0xE1, b"Exif\0\0" + jpeg)
    tables = jpeg_segment(0xDB, b"\3" + b"\xff\xd9" * 32)
    for number in (1, len(scans) - 1):
        place = scans[number]
        for name, between in (
            ("a comment", comment),
            ("EXIF with a thumbnail", exif),
            ("a table that nothing uses", tables),
            ("no restart interval", jpeg_segment(0xDD, b"\0\0")),
            ("fill bytes", b"\xff" * 50),
            ("text", b"some text"),
            ("zeros", bytes(7)),
        ):
            data = jpeg[:place] + between + jpeg[place:]
            yield row(f"{name} before scan {number}", data, True, ignored)
        # What Chromium shows of these is a whole picture without its finest detail.
        for name, stop in (("cut before", place), ("cut in the header of", place + 5)):
            yield row(f"{name} scan {number}", jpeg[:stop], False, "scans are missing")
        stop = (place + [*scans, len(scan)][number + 1]) // 2
        yield row(f"cut in scan {number}", jpeg[:stop], False, "the scan is not over")
    all_there = "all scans are there"
    yield row("no EOI", scan, True, all_there)
    yield row("half EOI", scan + b"\xff", True, all_there)
    yield row("text for EOI", scan + b"some text\0\0", True, all_there)
    yield row("a cut comment for EOI", scan + comment[:8], True, all_there)
    yield row("a comment before EOI", scan + comment + end, True, ignored)
    yield row("bytes after EOI", jpeg + b"PK\3\4" + bytes(1000), True, ignored)
    yield row("cut in the last table", jpeg[: jpeg.rindex(b"\xff\xc4") + 8], False, "no last scan")


def _gifs() -> Iterator[DamagedFile]:
    gif = encoded(PICTURE, "GIF")

    def row(name: str, data: bytes, whole: bool, why: str) -> DamagedFile:
        return DamagedFile(f"GIF: {name}", data, gif, whole, why)

    after = "all pixels came before it"
    yield row("no trailer", gif[:-1], True, after)
    yield row("no end of its sub-blocks", gif[:-2], True, after)
    yield row("no code for its end", gif[:-3], True, after)
    yield row("zeros for the trailer", gif[:-1] + bytes(9), True, after)
    yield row("text for the trailer", gif[:-1] + b"some text", True, after)
    yield row("a cut comment for the trailer", gif[:-1] + b"\x21\xfe\x50abc", True, after)
    yield row("bytes after the trailer", gif + b"abc" * 100, True, after)
    yield row("the last pixel missing", gif[:-4], False, "the last pixel is missing")
    yield row("cut in the middle", gif[: len(gif) // 2], False, "rows are missing")
    moving = encoded(PICTURE, "GIF", save_all=True, append_images=[PICTURE.rotate(90)])
    yield DamagedFile(
        "GIF: cut in the second frame", moving[:-500], moving, True, "one frame is there"
    )


def _webps() -> Iterator[DamagedFile]:
    for kind, options in (
        ("WebP", {}),
        ("lossless WebP", {"lossless": True}),
        ("WebP", {"xmp": b"x"}),
    ):
        webp = encoded(PICTURE, "WEBP", **options)
        kind = f"{kind} with XMP" if "xmp" in options else kind
        (size,) = struct.unpack_from("<I", webp, 4)

        def row(name: str, data: bytes, whole: bool, why: str, webp: bytes = webp) -> DamagedFile:
            return DamagedFile(f"{kind}: {name}", data, webp, whole, why)  # noqa: B023

        def sized(size: int, webp: bytes = webp) -> bytes:
            return webp[:4] + struct.pack("<I", size) + webp[8:]

        after = "outside the RIFF"
        yield row("bytes after its end", webp + b"PK\3\4" * 99, True, after)
        yield row("an odd byte after its end", webp + b"P", True, after)
        yield row("a cut chunk after its end", webp + b"JUNK\x50\0\0\0abc", True, after)
        junk = sized(size + 14) + b"JUNK\6\0\0\0abcdef"
        yield row("an unknown chunk", junk, True, "decoders skip it")
        for size_told in (0, size // 2, size - 2):
            yield row(f"RIFF too small by {size - size_told}", sized(size_told), False, "refused")
        for more in (1, 2, 100):
            yield row(f"RIFF too large by {more}", sized(size + more), False, "taken for cut off")
        for length in (2, 10, 500):
            yield row(f"cut by {length}", webp[:-length], False, "nothing is shown")


def _others() -> Iterator[DamagedFile]:
    avif = encoded(PICTURE, "AVIF")
    mdat = avif.index(b"mdat") - 4
    (size,) = struct.unpack_from(">I", avif, mdat)

    def row(name: str, data: bytes, whole: bool, why: str) -> DamagedFile:
        return DamagedFile(f"AVIF: {name}", data, avif, whole, why)

    for told in (0, size - 1, size + 100):
        data = avif[:mdat] + struct.pack(">I", told) + avif[mdat + 4 :]
        yield row(f"mdat of {told} bytes", data, True, "pixels are found by their offsets")
    yield row("bytes after its end", avif + b"abc" * 99, True, "no box is read there")
    box = struct.pack(">I4s", 1600, b"free")
    yield row("a cut box after its end", avif + box, True, "no box is read there")
    for length in (1, 50, 500):
        yield row(f"cut by {length}", avif[:-length], False, "nothing is shown")
    bmp = encoded(PICTURE, "BMP")
    for name, data, whole in (
        ("bytes after its end", bmp + b"abc", True),
        ("no file size", bmp[:2] + bytes(4) + bmp[6:], True),
        ("no image size", bmp[:34] + bytes(4) + bmp[38:], True),
        ("cut by 1", bmp[:-1], False),
        ("cut by 600", bmp[:-600], False),
    ):
        why = "the sizes say nothing new" if whole else "the first row is missing"
        yield DamagedFile(f"BMP: {name}", data, bmp, whole, why)
