"""Colour information outside ICC profiles is converted to sRGB as in a browser.

The numbers here were read off Chromium, which `tests/e2e/test_browser_pixels.py` asks again; the
same files are shown to both there.
"""

from __future__ import annotations

import struct
import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from models.container import ColourTags, parse_container
from models.container.avif import colour_tags
from models.image import decode
from tests.models.colour_files import CHART, PNG, Coloured, avif, chart, coloured_files
from tests.models.image_files import (
    chrm,
    cicp,
    cicp_profile,
    gama,
    png_chunk,
    with_clli,
    with_nclx,
    with_png_chunk,
)
from tests.pictures import encoded

FILES = coloured_files()


def shown(*chunks: bytes) -> np.ndarray:
    return decode(with_png_chunk(PNG, b"".join(chunks))).pixels


@pytest.mark.parametrize(
    "file", [pytest.param(file, id=file.name) for file in FILES if file.as_stored]
)
def test_what_is_srgb_or_says_nothing_stays_as_it_is(file: Coloured) -> None:
    plain = chart() if file.name.startswith("PNG") else decode(avif()).pixels
    assert np.array_equal(decode(file.data).pixels, plain), file.why


@pytest.mark.parametrize(
    "file", [pytest.param(file, id=file.name) for file in FILES if not file.as_stored]
)
def test_what_is_not_srgb_is_converted(file: Coloured) -> None:
    pixels = decode(file.data).pixels.astype(int)
    assert np.abs(pixels - chart()).mean() > 1, file.why


@pytest.mark.parametrize(
    ("chunks", "greys"),
    [
        pytest.param((gama(1),), [71, 137, 188, 229], id="gamma 1"),
        pytest.param((gama(0.5),), [13, 71, 137, 206], id="gamma 0.5"),
        pytest.param((cicp(1, 1),), [4, 54, 121, 197], id="video"),
        pytest.param((cicp(1, 4),), [7, 62, 129, 201], id="gamma 2.2"),
        pytest.param((cicp(1, 5),), [1, 40, 106, 189], id="gamma 2.8"),
        pytest.param((cicp(1, 7),), [34, 81, 141, 206], id="SMPTE 240M"),
        pytest.param((cicp(1, 8),), [71, 137, 188, 229], id="linear"),
        pytest.param((cicp(1, 17),), [3, 48, 118, 200], id="SMPTE ST 428-1"),
        pytest.param((cicp(9, 16),), [1, 30, 132, 255], id="PQ"),
        pytest.param((cicp(9, 18),), [3, 43, 99, 202], id="HLG"),
    ],
)
def test_greys_are_as_light_as_a_browser_shows_them(
    chunks: tuple[bytes, ...], greys: list[int]
) -> None:
    pixels = shown(*chunks)[0, [16, 64, 128, 200]].astype(int)
    assert np.abs(pixels - np.array(greys)[:, None]).max() <= 1


@pytest.mark.parametrize(
    ("primaries", "red", "green", "blue"),
    [
        pytest.param(4, [255, 0, 0], [0, 250, 0], [0, 75, 255], id="BT.470 M"),
        pytest.param(5, [255, 0, 0], [0, 255, 28], [0, 0, 254], id="BT.470 BG"),
        pytest.param(6, [248, 36, 0], [63, 251, 0], [26, 35, 255], id="SMPTE 170M"),
        pytest.param(10, [255, 0, 71], [0, 255, 0], [0, 56, 255], id="XYZ"),
        pytest.param(12, [255, 0, 0], [0, 255, 0], [0, 0, 255], id="P3"),
        pytest.param(22, [255, 38, 0], [0, 249, 0], [4, 51, 255], id="EBU 3213"),
    ],
)
def test_primaries_are_those_that_a_browser_shows(
    primaries: int, red: list[int], green: list[int], blue: list[int]
) -> None:
    pixels = shown(cicp(primaries, 13))
    assert np.abs(pixels[8, [0, 8, 16]].astype(int) - [red, green, blue]).max() <= 1
    assert np.abs(pixels[:8].astype(int) - chart()[:8]).max() <= 1  # greys stay grey


def test_light_beyond_white_is_toned_down_from_the_peak_that_the_file_tells() -> None:
    def at(peak: int) -> list[int]:
        told = png_chunk(b"cLLI", struct.pack(">II", peak * 10_000, 0))
        return shown(cicp(9, 16), told)[0, [128, 200], 0].tolist()

    assert at(100) == at(203) == [181, 255]  # white and what is darker keep their light
    assert np.abs(np.subtract(at(400), [163, 255])).max() <= 1
    assert np.abs(np.subtract(at(2000), [132, 245])).max() <= 1
    assert np.abs(np.subtract(at(10_000), [132, 218])).max() <= 4


def test_avif_tells_the_peak_too() -> None:
    data = with_nclx(avif(), 9, 16)
    assert parse_container(data, "avif").colours == ColourTags(cicp=(9, 16))
    data = with_clli(data, 400)
    assert parse_container(data, "avif").colours == ColourTags(cicp=(9, 16), peak=400)
    assert abs(int(decode(data).pixels[0, 128, 0]) - 163) <= 3


def test_the_frames_of_an_avif_sequence_tell_their_colours() -> None:
    frames = [CHART.rotate(180)]
    data = encoded(CHART, "AVIF", quality=100, save_all=True, append_images=frames)
    plain = decode(data).pixels
    assert parse_container(data, "avif").colours.cicp == (1, 13)

    for place in range(len(data)):  # each colour box, of the item and of the tracks
        if data[place : place + 8] == b"colrnclx":
            data = data[: place + 8] + struct.pack(">HH", 1, 8) + data[place + 12 :]
    assert decode(data).frames == 2
    assert decode(data).pixels.mean() > plain.mean() + 20


def test_the_primary_item_counts_and_no_other() -> None:
    """A transparent image has a second item, with or without its own colour information."""
    image = CHART.convert("RGBA")
    image.putalpha(200)
    data = with_nclx(encoded(image, "AVIF", quality=100), 12, 8)
    assert parse_container(data, "avif").colours.cicp == (12, 8)


# Invalid values


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 2**32 - 1), min_size=8, max_size=8))
def test_no_gamma_or_primaries_make_numbers_that_are_none(gamma: int, points: list[int]) -> None:
    chunks = (
        png_chunk(b"gAMA", struct.pack(">I", gamma)),
        png_chunk(b"cHRM", struct.pack(">8I", *points)),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert shown(*chunks).shape == chart().shape


@given(
    st.floats(0, 50_000),
    st.lists(st.sampled_from([0.0, 1e-5, 0.3, 1 / 3, 0.5, 1.0]), min_size=8, max_size=8),
)
def test_nor_do_primaries_at_their_limits(gamma: float, points: list[float]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert shown(gama(min(gamma, 42_949)), chrm(*points)).shape == chart().shape


AVIF = avif()


@given(st.sampled_from([b"meta", b"pitm", b"iprp", b"ipco", b"ipma", b"colr"]), st.binary())
def test_broken_avif_boxes_say_nothing_and_break_nothing(box: bytes, junk: bytes) -> None:
    start = AVIF.index(box) - 4
    for data in (
        AVIF[:start] + junk + AVIF[start + len(junk) :],  # over the box and its length
        AVIF[: start + 8] + junk,
        AVIF[:8] + b"avis" + AVIF[12:start] + junk,
    ):
        assert isinstance(colour_tags(data), ColourTags)


def test_very_many_boxes_are_not_read() -> None:
    flood = struct.pack(">I4s", 8, b"free") * 1_000_000
    start = AVIF.index(b"meta") - 4

    assert colour_tags(AVIF).cicp == (1, 13)
    assert colour_tags(AVIF[:start] + flood + AVIF[start:]).cicp is None


@pytest.mark.parametrize("version", range(0, 2**16, 2**13 + 7))
def test_a_profile_cut_anywhere_breaks_nothing(version: int) -> None:
    profile = cicp_profile(9, 16)
    cut = profile[: 128 + version % (len(profile) - 128)]
    for kind in ("PNG", "JPEG", "WEBP"):
        assert decode(encoded(CHART, kind, icc_profile=cut)).pixels.shape == chart().shape


# Profiles


def test_a_profile_counts_for_what_it_does_not_for_its_name() -> None:
    """A profile with linear light that calls itself sRGB. Such profiles exist."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    (count,) = struct.unpack_from(">I", profile, 128)
    for place in range(132, 132 + 12 * count, 12):
        name, offset, size = struct.unpack_from(">4sII", profile, place)
        if name in (b"rTRC", b"gTRC", b"bTRC"):
            linear = struct.pack(">4sII", b"curv", 0, 0)
            profile[offset : offset + size] = linear + bytes(size - len(linear))
    pixels = decode(encoded(CHART, "PNG", icc_profile=bytes(profile))).pixels

    assert b"s\0R\0G\0B" in profile
    assert np.abs(pixels[0, [16, 64, 128, 200], 0].astype(int) - [71, 137, 188, 229]).max() <= 2


# Cost


def test_an_image_of_many_pixels_is_converted_in_strips() -> None:
    image = Image.effect_mandelbrot((4000, 3000), (-2, -1.5, 1, 1.5), 20).convert("RGB")
    data = with_png_chunk(encoded(image, "PNG", compress_level=1), cicp(9, 16))

    tracemalloc.start()
    try:
        decode(data)
        beside = tracemalloc.get_traced_memory()[1] - 4000 * 3000 * 3
    finally:
        tracemalloc.stop()
    assert beside < len(data) * 3 + 20 * 2**20
