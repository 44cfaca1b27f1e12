"""Builds image files byte by byte that no encoder would write."""

from __future__ import annotations

import gzip
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from tests.pictures import encoded, photograph


def picture(width: int = 96, height: int = 72) -> Image.Image:
    """A photograph without symmetry, of this size."""
    return photograph().resize((width, height))


def png_chunk(kind: bytes, body: bytes) -> bytes:
    crc = struct.pack(">I", zlib.crc32(kind + body))
    return struct.pack(">I", len(body)) + kind + body + crc


def png(width: int, height: int, bits: int, colour_type: int, rows: bytes, *chunks: bytes) -> bytes:
    """A PNG with these rows. Each row starts with its filter byte."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            png_chunk(b"IHDR", header),
            *chunks,
            png_chunk(b"IDAT", zlib.compress(rows)),
            png_chunk(b"IEND", b""),
        )
    )


def with_png_chunk(data: bytes, chunk: bytes) -> bytes:
    """Insert a chunk directly after the header."""
    return data[:33] + chunk + data[33:]


def jpeg_segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def with_jpeg_segment(data: bytes, segment: bytes) -> bytes:
    """Insert a segment directly after the start of the image."""
    return data[:2] + segment + data[2:]


def tiff(tags: list[tuple[int, int, int, int]], rest: bytes = b"") -> bytes:
    """A little-endian TIFF with one directory: (tag, type, count, value or offset)."""
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + bytes(4) + rest


TIFF_BOMB = tiff(
    [
        (256, 4, 1, 50_000),
        (257, 4, 1, 50_000),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, 8),
        (278, 4, 1, 50_000),
        (279, 4, 1, 100),
    ]
)
"""Its header states 50,000 × 50,000 pixels."""


def webp_canvas(width: int, height: int) -> bytes:
    """An extended WebP with this canvas size and a small picture."""
    image = encoded(picture(), "WEBP")[12:]
    announced = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + announced + image
    return b"RIFF" + struct.pack("<I", len(body)) + body


def gif_bytes(width: int, height: int) -> bytes:
    """A GIF with this screen size and an image of one pixel."""
    screen = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    return screen + GIF_DOT + b";"


GIF_DOT = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
"""One frame of one pixel."""


def p3_profile() -> bytes:
    """An ICC profile for Display P3: Pillow's sRGB profile with other primaries."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    primaries = {  # SMPTE RP 431-2, adapted to D50
        b"rXYZ": (0.51512, 0.24120, -0.00105),
        b"gXYZ": (0.29198, 0.69225, 0.04189),
        b"bXYZ": (0.15710, 0.06657, 0.78407),
    }
    (count,) = struct.unpack_from(">I", profile, 128)
    for place in range(132, 132 + 12 * count, 12):
        tag, offset, _ = struct.unpack_from(">4sII", profile, place)
        if tag in primaries:
            struct.pack_into(
                ">3i", profile, offset + 8, *(round(v * 65536) for v in primaries[tag])
            )
    return bytes(profile).replace("sRGB".encode("utf-16-be"), "my P".encode("utf-16-be"))


def mean_difference(pixels: NDArray[np.uint8], image: Image.Image) -> float:
    """The mean difference between an array and an image, per channel, of 255."""
    expected = np.asarray(image.convert("RGB"), np.int16)
    assert pixels.shape == expected.shape
    return float(np.abs(pixels - expected).mean())


def as_file(array: NDArray[Any], kind: str, **options: object) -> bytes:
    return encoded(Image.fromarray(array), kind, **options)


def bmp_bytes(width: int, height: int) -> bytes:
    """A small BMP whose header states this size."""
    data = bytearray(encoded(picture(), "BMP"))
    struct.pack_into("<ii", data, 18, width, height)
    return bytes(data)


def png_chunks(data: bytes) -> list[bytes]:
    """The whole chunks of a PNG."""
    chunks, position = [], 8
    while position < len(data):
        (length,) = struct.unpack_from(">I", data, position)
        chunks.append(data[position : position + length + 12])
        position += length + 12
    return chunks


def with_wrong_crc(chunk: bytes) -> bytes:
    return chunk[:-1] + bytes((chunk[-1] ^ 1,))


def gama(gamma: float) -> bytes:
    return png_chunk(b"gAMA", struct.pack(">I", round(gamma * 100_000)))


def chrm(*points: float) -> bytes:
    """x and y of white, red, green and blue."""
    return png_chunk(b"cHRM", struct.pack(">8I", *(round(point * 100_000) for point in points)))


def cicp(primaries: int, transfer: int, matrix: int = 0, full_range: int = 1) -> bytes:
    return png_chunk(b"cICP", bytes((primaries, transfer, matrix, full_range)))


def iccp(profile: bytes) -> bytes:
    return png_chunk(b"iCCP", b"x\0\0" + zlib.compress(profile))


def with_nclx(avif: bytes, primaries: int, transfer: int) -> bytes:
    """Replace the code points in an AVIF's colour information."""
    place = avif.index(b"colrnclx") + 8
    return avif[:place] + struct.pack(">HH", primaries, transfer) + avif[place + 4 :]


def with_clli(avif: bytes, peak: int) -> bytes:
    """Store the peak luminance in an AVIF, in place of the box with the bits per channel."""
    place = avif.index(b"pixi") - 4
    return avif[:place] + struct.pack(">I4sHHI", 16, b"clli", peak, 0, 0) + avif[place + 16 :]


def cicp_profile(primaries: int, transfer: int, matrix: int = 0, full_range: int = 1) -> bytes:
    """An ICC profile for sRGB with a contradicting cicp tag."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    (count,) = struct.unpack_from(">I", profile, 128)
    tags = list(struct.iter_unpack(">4sII", profile[132 : 132 + 12 * count]))
    body = profile[132 + 12 * count :]
    body += bytes(-len(body) % 4)
    tags = [(name, offset + 12, size) for name, offset, size in tags]
    tags.append((b"cicp", 144 + 12 * count + len(body), 12))
    table = b"".join(struct.pack(">4sII", *tag) for tag in tags)
    body += b"cicp" + bytes((0, 0, 0, 0, primaries, transfer, matrix, full_range))
    data = profile[4:128] + struct.pack(">I", count + 1) + table + body
    return struct.pack(">I", len(data) + 4) + data


def with_alpha_text(kind: str, text: bytes, mark: bytes = b"stealth_pngcomp") -> bytes:
    """An image with a text in the lowest bits of its alpha channel, down the columns."""
    body = gzip.compress(text) if mark.endswith(b"comp") else text
    stream = mark + struct.pack(">I", 8 * len(body)) + body
    pixels = np.array(picture(192, 144).convert("RGBA"))
    columns = pixels[..., 3].T.copy().ravel()
    bits = np.unpackbits(np.frombuffer(stream, np.uint8))
    columns[: bits.size] = 254 | bits
    pixels[..., 3] = columns.reshape(pixels.shape[1], pixels.shape[0]).T
    return encoded(Image.fromarray(pixels), kind, **({"lossless": True} if kind == "WEBP" else {}))
