"""Decoding of valid files: upright sRGB pixels, and facts about the file."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageCms

from models.errors import ErrorCode, ImageError
from models.image import decode
from tests.models.image_files import (
    GIF_DOT,
    as_file,
    gif_bytes,
    jpeg_segment,
    mean_difference,
    p3_profile,
    picture,
    png,
    png_chunk,
    with_jpeg_segment,
    with_png_chunk,
)
from tests.pictures import encoded

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "BMP", "TIFF")


@pytest.mark.parametrize("kind", FORMATS)
def test_a_photograph_of_every_format_is_decoded(kind: str) -> None:
    image = decode(encoded(picture(), kind))

    assert (image.format, image.width, image.height, image.frames) == (kind.lower(), 96, 72, 1)
    assert image.pixels.dtype == np.uint8
    assert image.pixels.flags.c_contiguous
    assert mean_difference(image.pixels, picture()) < 8  # GIF's palette is the worst


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {"progressive": True}),
        ("JPEG", {"subsampling": 2, "optimize": True}),
        ("WEBP", {"lossless": True}),
        ("PNG", {"interlace": 1}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "jpeg"}),
        ("TIFF", {"big_tiff": True}),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, dict) else value,
)
def test_a_variant_of_a_format_is_decoded(kind: str, options: dict[str, Any]) -> None:
    assert mean_difference(decode(encoded(picture(), kind, **options)).pixels, picture()) < 8


# Colour


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_grey_and_palette_become_colour(mode: str) -> None:
    image = picture().convert(mode)

    assert mean_difference(decode(encoded(image, "PNG")).pixels, image) == 0


def test_16_bit_grey_keeps_its_brightness() -> None:
    ramp = np.linspace(0, 65535, 100 * 80).astype(np.uint16).reshape(80, 100)

    for kind in ("PNG", "TIFF"):
        pixels = decode(as_file(ramp, kind)).pixels
        assert np.array_equal(pixels, np.repeat((ramp >> 8)[:, :, None], 3, axis=2))


def test_16_bit_rgb_keeps_its_colours() -> None:
    colours = np.random.default_rng(0).integers(0, 65536, (64, 64, 3), np.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in colours)

    assert np.array_equal(decode(png(64, 64, 16, 2, rows)).pixels, colours >> 8)


def test_32_bit_channels_have_no_known_white_and_are_refused() -> None:
    with pytest.raises(ImageError) as refused:
        decode(as_file(np.zeros((64, 64), np.float32), "TIFF"))
    assert refused.value.code == ErrorCode.UNSUPPORTED_FORMAT


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_is_white(mode: str) -> None:
    image = picture().convert(mode)
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    expected = Image.new("RGB", image.size, "white")
    expected.paste(picture().convert(mode).convert("RGB"), mask=image.getchannel("A"))

    assert mean_difference(decode(encoded(image, "PNG")).pixels, expected) == 0


def test_a_palette_with_transparency_is_on_white() -> None:
    palette = Image.new("P", (64, 64), 0)
    palette.putpalette([10, 20, 30, 200, 100, 50])
    palette.paste(1, (0, 0, 32, 64))

    for kind in ("PNG", "GIF"):
        pixels = decode(encoded(palette, kind, transparency=0)).pixels
        assert pixels[0, 0].tolist() == [200, 100, 50]
        assert pixels[0, 63].tolist() == [255, 255, 255]


def test_a_transparent_colour_is_white() -> None:
    image = Image.new("RGB", (64, 64), (1, 2, 3))
    image.putpixel((5, 5), (9, 9, 9))

    pixels = decode(encoded(image, "PNG", transparency=(1, 2, 3))).pixels
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[5, 5].tolist() == [9, 9, 9]


def cmyk() -> Image.Image:
    return picture().convert("CMYK")


def without_adobe(data: bytes) -> bytes:
    start = data.index(b"\xff\xeeAdobe"[:2] + b"\x00\x0eAdobe")
    return data[:start] + data[start + 16 :]


def ycck() -> bytes:
    """Write a YCCK JPEG: Pillow's CMYK data, with a marker that declares YCCK."""
    cyan, magenta, yellow, black = cmyk().split()
    transformed = Image.merge("RGB", (cyan, magenta, yellow)).convert("YCbCr").split()
    image = Image.merge("CMYK", (*map(ImageChops.invert, transformed), black))
    data = bytearray(encoded(image, "JPEG", quality=95, subsampling=0))
    data[data.index(b"Adobe") + 11] = 2
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(encoded(cmyk(), "JPEG", quality=95), id="CMYK with the Adobe marker"),
        pytest.param(
            without_adobe(encoded(cmyk(), "JPEG", quality=95)), id="CMYK without the Adobe marker"
        ),
        pytest.param(ycck(), id="YCCK with the Adobe marker"),
        pytest.param(encoded(cmyk(), "TIFF"), id="CMYK TIFF"),
    ],
)
def test_print_colours_become_screen_colours(data: bytes) -> None:
    assert mean_difference(decode(data).pixels, cmyk()) < 3


def test_ycck_without_the_adobe_marker_is_read_as_cmyk() -> None:
    assert decode(without_adobe(ycck())).pixels.shape == (72, 96, 3)


def test_a_lab_image_becomes_srgb() -> None:
    srgb, lab = (ImageCms.createProfile(space) for space in ("sRGB", "LAB"))
    image = ImageCms.profileToProfile(picture(), srgb, lab, outputMode="LAB")
    assert image is not None

    assert mean_difference(decode(encoded(image, "TIFF")).pixels, picture()) < 3


def p3_to_srgb(colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert by the definition of both spaces. They have the same transfer function."""
    share = colours / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    linear = (
        linear
        @ np.array([[1.2249, -0.2249, 0.0], [-0.0420, 1.0420, 0.0], [-0.0197, -0.0786, 1.0983]]).T
    )
    linear = linear.clip(0, 1)
    share = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(share * 255).astype(np.uint8)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF", "TIFF"])
def test_a_p3_photograph_becomes_srgb(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {"quality": 100}
    plain = decode(encoded(picture(), kind, **options)).pixels
    pixels = decode(encoded(picture(), kind, icc_profile=p3_profile(), **options)).pixels

    expected = p3_to_srgb(plain).astype(np.int16)
    assert np.abs(pixels - expected).mean() < 1
    assert np.abs(pixels.astype(np.int16) - plain).mean() > 3


def test_a_p3_drawing_with_transparency_becomes_srgb_on_white() -> None:
    image = Image.new("RGBA", (64, 64), (200, 100, 50, 255))
    image.putpixel((0, 0), (200, 100, 50, 0))

    pixels = decode(encoded(image, "PNG", icc_profile=p3_profile())).pixels
    expected = p3_to_srgb(np.array([200, 100, 50], np.uint8)).astype(int)
    assert np.abs(pixels[9, 9] - expected).max() <= 2
    assert pixels[0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize(
    "profile",
    [
        pytest.param(b"no profile at all", id="a broken ICC profile"),
        pytest.param(p3_profile()[:200], id="a truncated ICC profile"),
        pytest.param(
            ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(),
            id="a Lab profile on RGB",
        ),
        pytest.param(
            ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), id="sRGB itself"
        ),
    ],
)
def test_a_profile_that_says_nothing_changes_nothing(profile: bytes) -> None:
    data = encoded(picture(), "PNG", icc_profile=profile)

    assert mean_difference(decode(data).pixels, picture()) == 0


# Orientation (the stored form of the upright picture)

STORED = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: np.rot90(upright),
    7: lambda upright: upright[::-1, ::-1].swapaxes(0, 1),
    8: lambda upright: np.rot90(upright, -1),
}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
@pytest.mark.parametrize("orientation", STORED)
def test_every_exif_orientation_is_made_upright(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(STORED[orientation](np.asarray(picture())))

    image = decode(as_file(stored, kind, exif=exif, quality=95))

    assert (image.width, image.height) == (96, 72)
    assert mean_difference(image.pixels, picture()) < 5
    assert image.pixels.flags.c_contiguous


@pytest.mark.parametrize(
    "block",
    [b"", b"II", b"nonsense", b"II*\0\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff", bytes(5000)],
    ids=lambda block: f"{block[:8]!r}",
)
def test_broken_exif_is_ignored(block: bytes) -> None:
    jpeg = with_jpeg_segment(encoded(picture()), jpeg_segment(0xE1, b"Exif\0\0" + block))
    assert mean_difference(decode(jpeg).pixels, picture()) < 8

    data = with_png_chunk(encoded(picture(), "PNG"), png_chunk(b"eXIf", block))
    assert mean_difference(decode(data).pixels, picture()) == 0


# Frames


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF", "TIFF"])
def test_the_first_of_several_frames_is_judged(kind: str) -> None:
    frames = [picture().rotate(turn) for turn in (0, 90, 180)]

    image = decode(encoded(frames[0], kind, save_all=True, append_images=frames[1:]))

    assert image.frames == 3
    assert mean_difference(image.pixels, frames[0]) < 8


def test_a_gif_of_10000_frames_is_counted() -> None:
    first = encoded(picture(), "GIF")

    assert decode(first[:-1] + GIF_DOT * 9_999 + b";").frames == 10_000


def test_frames_are_counted_no_further_than_10000() -> None:
    first = encoded(picture(), "GIF")

    assert decode(first[:-1] + GIF_DOT * 50_000 + b";").frames == 10_000


# Size


@pytest.mark.parametrize("size", [(64, 64), (10_000, 64), (64, 10_000), (16_384, 64)])
def test_the_smallest_and_longest_images_are_decoded(size: tuple[int, int]) -> None:
    image = decode(encoded(Image.new("RGB", size, "teal"), "PNG"))

    assert (image.width, image.height) == size


@pytest.mark.parametrize("size", [(1, 1), (63, 63), (63, 64), (64, 63), (10_000, 63)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF"])
def test_a_side_under_64_pixels_is_too_small(kind: str, size: tuple[int, int]) -> None:
    with pytest.raises(ImageError) as refused:
        decode(encoded(Image.new("RGB", size), kind))
    assert refused.value.code == ErrorCode.TOO_SMALL


def test_a_dataset_may_allow_smaller_sides_and_no_others() -> None:
    assert decode(encoded(picture(32, 40)), min_side=32).width == 32
    with pytest.raises(ImageError, match="Each side needs at least 32"):
        decode(encoded(picture(31, 40)), min_side=32)


def test_a_gif_is_as_large_as_its_screen() -> None:
    assert decode(gif_bytes(100, 80)).width == 100


def test_one_colour_is_an_image() -> None:
    image = decode(encoded(Image.new("RGB", (80, 80), (1, 200, 3)), "PNG"))

    assert np.array_equal(np.unique(image.pixels.reshape(-1, 3), axis=0), [[1, 200, 3]])


@given(st.integers(64, 200), st.integers(64, 200), st.sampled_from(["RGB", "RGBA", "L", "LA", "P"]))
def test_a_lossless_file_gives_back_its_pixels(width: int, height: int, mode: str) -> None:
    image = picture(width, height).convert(mode)

    assert mean_difference(decode(encoded(image, "PNG")).pixels, image) == 0
