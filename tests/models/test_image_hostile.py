"""Damaged files, hostile files and other files give a typed error, fast and with little memory."""

from __future__ import annotations

import random
import struct
import tracemalloc
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from models.container import DamagedError, parse_container
from models.errors import ErrorCode, ImageError
from models.image import decode, sniff
from tests.bombs import ZLIB_BOMB
from tests.models.image_files import (
    TIFF_BOMB,
    bmp_bytes,
    gif_bytes,
    jpeg_segment,
    mean_difference,
    picture,
    png,
    png_chunk,
    tiff,
    webp_canvas,
    with_jpeg_segment,
    with_png_chunk,
)
from tests.pictures import encoded

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "BMP", "TIFF")
MIB = 2**20

# Pillow's warnings do not matter here. Production ignores them, too.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def code_of(data: bytes) -> ErrorCode:
    with pytest.raises(ImageError) as refused:
        decode(data)
    assert refused.value.detail.endswith(".")
    assert "\n" not in refused.value.detail
    return refused.value.code


# Other files and unsupported formats


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="none"),
        pytest.param(b"\xff", id="one"),
        pytest.param(random.Random(1).randbytes(5000), id="random"),
        pytest.param(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj", id="PDF"),
        pytest.param(b"<!DOCTYPE html><html><body><svg></svg></body></html>", id="HTML"),
        pytest.param(b"<html><head><title>404</title></head></html>", id="HTML without a type"),
        pytest.param(b'{"error": "hot-linking"}', id="JSON"),
        pytest.param(b"BM is how this text begins, and nothing more of a bitmap", id="text"),
        pytest.param(b"PK\x03\x04" + bytes(100), id="ZIP"),
    ],
)
def test_what_is_no_image_is_not_an_image(data: bytes) -> None:
    assert code_of(data) == ErrorCode.NOT_AN_IMAGE


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b'<svg xmlns="http://www.w3.org/2000/svg"/>', id="SVG"),
        pytest.param(
            b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a "&b;&b;"><!ENTITY b "x">]><svg>&a;',
            id="SVG with entities",
        ),
        pytest.param(encoded(picture(), "ICO"), id="ICO"),
        pytest.param(b"\0\0\1\0\xff\xff" + bytes(16) * 1000, id="a pixel bomb in ICO"),
        pytest.param(encoded(picture(), "JPEG2000"), id="JPEG 2000"),
        pytest.param(b"\0\0\0\x0cJXL \r\n\x87\n", id="JPEG XL"),
        pytest.param(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", id="HEIC"),
        pytest.param(b"8BPS\0\1" + bytes(20), id="PSD"),
    ],
)
def test_other_kinds_of_image_are_unsupported(data: bytes) -> None:
    assert code_of(data) == ErrorCode.UNSUPPORTED_FORMAT


def test_a_run_length_encoded_bmp_is_unsupported() -> None:
    bmp = bytearray(encoded(picture().convert("P"), "BMP"))
    bmp[30] = 1

    assert code_of(bytes(bmp)) == ErrorCode.UNSUPPORTED_FORMAT


def test_a_format_is_decoded_by_its_own_decoder_only() -> None:
    """A PSD that starts like a GIF is a broken GIF."""
    assert code_of(b"GIF89a" + b"8BPS" + bytes(100)) == ErrorCode.CORRUPT_IMAGE


def test_a_gif_that_is_also_javascript_is_damaged() -> None:
    assert code_of(b"GIF89a/*" + bytes(10) + b"*/=1;alert(document.domain)//") == (
        ErrorCode.CORRUPT_IMAGE
    )


def test_a_jpeg_followed_by_a_zip_is_the_jpeg() -> None:
    data = encoded(picture())

    assert (decode(data + b"PK\x03\x04" + bytes(1000)).pixels == decode(data).pixels).all()


# Damage


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("share", [0.05, 0.25, 0.5, 0.75, 0.95])
def test_a_truncated_file_is_corrupt_and_never_half_grey(kind: str, share: float) -> None:
    data = encoded(picture(200, 150), kind)

    assert code_of(data[: int(len(data) * share)]) == ErrorCode.CORRUPT_IMAGE


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF", "BMP"])  # a PNG has checksums
def test_even_the_last_bytes_are_missed(kind: str) -> None:
    assert code_of(encoded(picture(), kind)[:-2]) == ErrorCode.CORRUPT_IMAGE


@pytest.mark.parametrize("kind", [b"IHDR", b"IDAT"])
def test_a_wrong_crc_is_corrupt(kind: bytes) -> None:
    data = bytearray(encoded(picture(), "PNG"))
    start = data.index(kind)
    (length,) = struct.unpack_from(">I", data, start - 4)
    data[start + 4 + length] ^= 1

    assert code_of(bytes(data)) == ErrorCode.CORRUPT_IMAGE


def test_a_wrong_crc_of_an_optional_chunk_costs_that_chunk_only() -> None:
    chunk = png_chunk(b"tEXt", b"Title\0x")[:-1] + b"?"

    assert (
        mean_difference(decode(with_png_chunk(encoded(picture(), "PNG"), chunk)).pixels, picture())
        == 0
    )


def jpeg_with(frame_marker: int, precision: int) -> bytes:
    data = bytearray(encoded(picture()))
    start = data.index(b"\xff\xc0")
    data[start + 1], data[start + 4] = frame_marker, precision
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(jpeg_with(0xC1, 12), id="12-bit JPEG"),
        pytest.param(jpeg_with(0xC3, 8), id="lossless JPEG"),
        pytest.param(jpeg_with(0xC5, 8), id="hierarchical JPEG"),
    ],
)
def test_a_jpeg_that_pillow_cannot_decode_is_corrupt(data: bytes) -> None:
    assert code_of(data) == ErrorCode.CORRUPT_IMAGE


def test_an_arithmetic_jpeg_is_decoded_or_refused() -> None:
    """The data is Huffman-coded, but the header declares arithmetic coding."""
    with suppress(ImageError):
        assert decode(jpeg_with(0xC9, 8)).pixels.shape == (72, 96, 3)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(FORMATS),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1),
)
def test_a_damaged_file_is_decoded_or_refused_and_nothing_else(
    kind: str, damages: list[tuple[float, int]]
) -> None:
    data = bytearray(encoded(picture(), kind))
    for place, value in damages:
        data[int(place * len(data))] = value
    with suppress(ImageError):
        image = decode(bytes(data))
        assert image.pixels.shape == (image.height, image.width, 3)


# Bombs


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(png(50_000, 50_000, 1, 0, bytes(100_000)), id="50,000 × 50,000 one-bit PNG"),
        pytest.param(gif_bytes(65_535, 65_535), id="GIF"),
        pytest.param(bmp_bytes(50_000, 50_000), id="BMP"),
        pytest.param(webp_canvas(16_000, 16_000), id="WebP"),
        pytest.param(
            TIFF_BOMB,
            id="TIFF",
        ),
        pytest.param(encoded(Image.new("1", (16_385, 64)), "PNG"), id="16,385 pixels a side"),
        pytest.param(encoded(Image.new("1", (6_400, 6_400)), "PNG"), id="41 megapixels"),
    ],
)
def test_too_many_pixels_are_refused_before_they_are_decoded(data: bytes) -> None:
    tracemalloc.start()
    try:
        assert code_of(data) == ErrorCode.TOO_MANY_PIXELS
        assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    finally:
        tracemalloc.stop()


def flood(part: bytes) -> bytes:
    """Repeat a part up to the largest file size."""
    return part * (20 * MIB // len(part))


JPEG, PNG, GIF = (encoded(picture(), kind) for kind in ("JPEG", "PNG", "GIF"))
GIF_HEADER = 13 + 3 * 256
ZTXT_BOMB = png_chunk(b"zTXt", b"Comment\0\0" + ZLIB_BOMB)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(with_png_chunk(PNG, ZTXT_BOMB * 10), id="zTXt bomb"),
        pytest.param(with_png_chunk(PNG, png_chunk(b"tEXt", flood(b"a"))), id="20 MiB of text"),
        pytest.param(
            GIF[:GIF_HEADER] + b"\x21\xfe" + flood(b"\xff" + b"a" * 255) + b"\0" + GIF[GIF_HEADER:],
            id="20 MiB of GIF comment",
        ),
        pytest.param(
            with_jpeg_segment(JPEG, jpeg_segment(0xE1, b"Exif\0\0" + bytes(60_000)) * 300),
            id="20 MiB of EXIF",
        ),
        pytest.param(with_jpeg_segment(JPEG, jpeg_segment(0xE1, b"Exif\0\0") * 40_000), id="EXIFs"),
        pytest.param(with_jpeg_segment(JPEG, flood(b"\xff")), id="JPEG fill bytes"),
    ],
)
def test_what_no_pixel_needs_is_never_read_by_a_decoder(data: bytes) -> None:
    assert len(parse_container(data, sniff(data)).pixels) < 50_000
    assert decode(data).pixels.shape == (72, 96, 3)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        pytest.param(
            "jpeg", with_jpeg_segment(JPEG, flood(jpeg_segment(0xE5, b""))), id="JPEG segments"
        ),
        pytest.param("png", with_png_chunk(PNG, flood(png_chunk(b"teXt", b""))), id="PNG chunks"),
        pytest.param(
            "webp", b"RIFF\xff\xff\xff\x01WEBP" + flood(b"JUNK\0\0\0\0"), id="WebP chunks"
        ),
        pytest.param("tiff", tiff([(254, 4, 1, 0)] * 1_001), id="TIFF tags"),
        pytest.param("tiff", tiff([(273, 4, 2**17 + 1, 8)]), id="TIFF strips"),
    ],
)
def test_more_parts_than_any_real_file_has_are_refused_at_once(kind: str, data: bytes) -> None:
    with pytest.raises(DamagedError):
        parse_container(data, kind)
    assert code_of(data) == ErrorCode.CORRUPT_IMAGE


def test_an_iccp_bomb_is_not_unpacked() -> None:
    bomb = png_chunk(b"iCCP", b"bomb\0\0" + ZLIB_BOMB)

    tracemalloc.start()
    try:
        assert code_of(with_png_chunk(PNG, bomb)) == ErrorCode.CORRUPT_IMAGE
        assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    finally:
        tracemalloc.stop()


def test_pixel_data_beyond_the_last_row_is_not_unpacked() -> None:
    assert decode(png(64, 64, 8, 0, bytes(65 * 64 + 64 * MIB))).width == 64


def test_a_tiff_whose_directories_form_a_ring_has_the_frames_of_one_round() -> None:
    data = bytearray(encoded(picture(), "TIFF"))
    (directory,) = struct.unpack_from("<I", data, 4)
    (tags,) = struct.unpack_from("<H", data, directory)
    struct.pack_into("<I", data, directory + 2 + 12 * tags, directory)

    assert decode(bytes(data)).frames == 1


def test_a_jpeg_of_very_many_scans_is_refused_before_it_is_decoded() -> None:
    """Every scan, even a short one, makes a decoder visit all pixels again."""
    data = encoded(picture().resize((2000, 2000)), "JPEG", progressive=True)
    last_scan = data[data.rindex(b"\xff\xda") : -2]

    assert code_of(data[:-2] + last_scan[:14] * 300 + data[-2:]) == ErrorCode.TOO_MANY_PIXELS


def test_missing_scans_do_not_slip_past_the_limit() -> None:
    """A JPEG with very many scans is rejected, with or without its end."""
    data = encoded(picture().resize((2000, 2000)), "JPEG", progressive=True)[:-2]
    last_scan = data[data.rindex(b"\xff\xda") :]

    assert code_of(data + last_scan * 300) == ErrorCode.TOO_MANY_PIXELS


def test_memory_errors_are_nobodys_fault_and_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object, **__: object) -> Callable[..., None]:
        raise MemoryError

    monkeypatch.setattr(Image, "open", exhausted)
    with pytest.raises(MemoryError):
        decode(JPEG)
