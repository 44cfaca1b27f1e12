"""Files with every type of colour information, to compare Assay with a real browser."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.models.image_files import (
    chrm,
    cicp,
    cicp_profile,
    gama,
    iccp,
    p3_profile,
    png_chunk,
    with_clli,
    with_nclx,
    with_png_chunk,
    with_wrong_crc,
)
from tests.pictures import encoded

D65 = (0.3127, 0.3290)
SRGB = (*D65, 0.640, 0.330, 0.300, 0.600, 0.150, 0.060)
P3 = (*D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)
SWAPPED = (*D65, 0.300, 0.600, 0.640, 0.330, 0.150, 0.060)
SAYS_SRGB = png_chunk(b"sRGB", b"\0")


class Coloured(NamedTuple):
    """A file with the colours of `chart`.

    Attributes:
        as_stored: whether the stored numbers are shown as they are.
        tolerance: how far a browser's pixels may be from ours in the mean, of 255.
        why: the rule that it stands for.
    """

    name: str
    data: bytes
    as_stored: bool
    why: str
    tolerance: float = 0.2


def chart() -> NDArray[np.uint8]:
    """A ramp of all greys, and colours spread over the RGB cube."""
    pixels = np.empty((64, 256, 3), np.uint8)
    pixels[:8] = np.arange(256)[None, :, None]
    colours = np.random.default_rng(1).integers(0, 256, (7, 32, 3), np.uint8)
    colours[0, :3] = np.eye(3) * 255
    pixels[8:] = colours.repeat(8, axis=0).repeat(8, axis=1)
    return pixels


CHART = Image.fromarray(chart())
PNG = encoded(CHART, "PNG")
GREY = encoded(CHART.convert("L"), "PNG")


def avif(**options: Any) -> bytes:
    return encoded(CHART, "AVIF", quality=100, subsampling="4:4:4", **options)


def luminance(kind: bytes, peak: int) -> bytes:
    """A PNG chunk with the peak luminance of the content or of the mastering display."""
    if kind == b"cLLI":
        return png_chunk(kind, struct.pack(">II", peak * 10_000, 0))
    points = (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, *D65)
    body = struct.pack(">8H", *(round(point * 50_000) for point in points))
    return png_chunk(kind, body + struct.pack(">II", peak * 10_000, 50))


@cache
def coloured_files() -> list[Coloured]:
    return [
        *(*_gammas(), *_precedence(), *_nonsense()),
        *(*_code_points(), *_high_dynamic_range(), *_profiles()),
    ]


def _png(
    name: str, *chunks: bytes, as_stored: bool = False, why: str, base: bytes = PNG
) -> Coloured:
    return Coloured(f"PNG: {name}", with_png_chunk(base, b"".join(chunks)), as_stored, why)


def _gammas() -> Iterator[Coloured]:
    why = "numbers become light by gAMA, and light sRGB"
    for gamma in (1, 0.2, 0.5, 0.55, 2.2):
        yield _png(f"gamma {gamma}", gama(gamma), why=why)
        yield _png(f"grey, gamma {gamma}", gama(gamma), why=why, base=GREY)
    palette = encoded(CHART.quantize(64), "PNG")
    yield _png("palette, gamma 1", gama(1), why=why, base=palette)
    for gamma in (0.45455, 0.44, 0.47):
        yield _png(f"gamma {gamma}", gama(gamma), as_stored=True, why="it passes for sRGB's")
    why = "with cHRM, gAMA is taken at its word"
    for name, points in (("sRGB's", SRGB), ("P3's", P3), ("swapped", SWAPPED)):
        yield _png(f"gamma 0.45455, {name} primaries", gama(0.45455), chrm(*points), why=why)
        yield _png(f"{name} primaries, gamma 1", chrm(*points), gama(1), why=why)
    yield _png("grey, swapped primaries", gama(0.45455), chrm(*SWAPPED), why=why, base=GREY)


def _precedence() -> Iterator[Coloured]:
    p3 = p3_profile()
    linear = (gama(1), chrm(*P3))
    yield _png("sRGB over gAMA", SAYS_SRGB, *linear, as_stored=True, why="sRGB > gAMA")
    yield _png("sRGB after gAMA", *linear, SAYS_SRGB, as_stored=True, why="sRGB > gAMA")
    yield _png("iCCP over sRGB and gAMA", SAYS_SRGB, *linear, iccp(p3), why="iCCP > sRGB")
    yield _png("cICP over iCCP", cicp(1, 8), iccp(p3), SAYS_SRGB, why="cICP > iCCP")
    yield _png("cICP of sRGB over iCCP", cicp(1, 13), iccp(p3), as_stored=True, why="cICP > iCCP")
    broken = iccp(b"nonsense" * 20)
    yield _png("broken iCCP, then gAMA", broken, gama(1), why="what is broken says nothing")
    yield _png(
        "broken iCCP, then sRGB", broken, SAYS_SRGB, gama(1), as_stored=True, why="sRGB > gAMA"
    )
    unknown = cicp(2, 2)
    yield _png("unspecified cICP, then iCCP", unknown, iccp(p3), why="it says nothing")
    limited = cicp(12, 13, full_range=0)
    yield _png("cICP of limited range, then gAMA", limited, gama(1), why="no browser takes it")


def _nonsense() -> Iterator[Coloured]:
    def row(name: str, *chunks: bytes) -> Coloured:
        return _png(name, *chunks, as_stored=True, why="what makes no sense is ignored")

    yield row("gamma 0", gama(0))
    yield row("gamma 0 with primaries", gama(0), chrm(*P3))
    yield row("primaries without a gamma", chrm(*P3))
    yield row("gAMA of 3 bytes", png_chunk(b"gAMA", b"\1\x86\xa0"))
    yield row("gAMA with a wrong CRC", with_wrong_crc(gama(1)))
    yield row("a second gAMA", gama(0.45455), gama(1))
    yield row("cICP of 3 bytes", png_chunk(b"cICP", b"\x0c\x0d\0"))
    yield row("cICP with a wrong CRC", with_wrong_crc(cicp(9, 16)))
    for name, points in (
        ("all zero", (0,) * 8),
        ("all one point", (0.3,) * 8),
        ("on one line", (*D65, 0.1, 0.1, 0.2, 0.2, 0.3, 0.3)),
        ("beyond 1", (*D65, 1.64, 0.33, 0.3, 0.6, 0.15, 0.06)),
        ("of 2³¹", (21474.83648,) * 8),
    ):
        yield row(f"primaries {name}", gama(1), chrm(*points))
    end = PNG.index(b"IEND") - 4
    late = PNG[:end] + gama(1) + cicp(9, 16) + PNG[end:]
    yield Coloured("PNG: colours after the pixels", late, True, "they belong before them")
    why = "what makes no sense is ignored"
    yield _png("sRGB of an unknown intent, gamma 1", png_chunk(b"sRGB", b"\x09"), gama(1), why=why)
    yield _png("empty sRGB, gamma 1", png_chunk(b"sRGB", b""), gama(1), why=why)
    yield _png("cHRM of 31 bytes, gamma 1", png_chunk(b"cHRM", bytes(31)), gama(1), why=why)


def _code_points() -> Iterator[Coloured]:
    plain = avif()
    unknown_primaries, unknown_curves = (0, 2, 3, 13), (0, 2, 3, 9, 10, 12, 19)
    for primaries in (1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 22, *unknown_primaries):
        as_stored = primaries in (1, *unknown_primaries)
        name = f"primaries {primaries}"
        yield _png(name, cicp(primaries, 13), as_stored=as_stored, why="H.273 table 2")
        yield Coloured(
            f"AVIF: {name}", with_nclx(plain, primaries, 13), as_stored, "H.273 table 2", 0.5
        )
    for curve in (1, 4, 5, 6, 7, 8, 11, 13, 14, 15, 17, *unknown_curves):
        as_stored = curve in (13, *unknown_curves)
        yield _png(f"curve {curve}", cicp(1, curve), as_stored=as_stored, why="H.273 table 3")
        if curve not in (9, 10, 11, 12):  # Chromium shows no such AVIF
            why = "H.273 table 3; video's curves count as sRGB's"
            as_stored = as_stored or curve in (1, 6, 14, 15)
            data = with_nclx(plain, 1, curve)
            yield Coloured(f"AVIF: curve {curve}", data, as_stored, why, 0.5)
    grey = encoded(CHART.convert("L"), "AVIF", quality=100)
    yield Coloured("AVIF: grey, linear", with_nclx(grey, 1, 8), False, "H.273 table 3", 0.5)


def _high_dynamic_range() -> Iterator[Coloured]:
    why = "toned down from 1000 cd/m² to reference white"
    for curve in (16, 18):
        for primaries in (1, 9, 12):
            name = f"primaries {primaries}, curve {curve}"
            yield _png(name, cicp(primaries, curve), why=why)
            data = with_nclx(avif(), primaries, curve)
            yield Coloured(f"AVIF: {name}", data, False, why, 0.5)
        yield _png(f"grey, curve {curve}", cicp(9, curve), why=why, base=GREY)
    for kind in (b"cLLI", b"mDCV"):
        for peak in (0, 203, 400, 2000, 4000):
            name = f"PQ, {kind.decode()} of {peak} cd/m²"
            yield _png(name, cicp(9, 16), luminance(kind, peak), why="toned down from its peak")
    for peak in (100, 400, 4000):
        data = with_clli(with_nclx(avif(), 9, 16), peak)
        why = "toned down from its peak"
        yield Coloured(f"AVIF: PQ, clli of {peak} cd/m²", data, False, why, 0.5)
    both = (luminance(b"cLLI", 400), luminance(b"mDCV", 4000))
    yield _png("PQ, cLLI and mDCV", cicp(9, 16), *both, why="cLLI > mDCV")


def _profiles() -> Iterator[Coloured]:
    for primaries, curve in ((9, 16), (9, 18), (12, 13), (1, 8), (9, 1)):
        profile = cicp_profile(primaries, curve)
        for kind, options, tolerance in (
            ("PNG", {}, 0.2),
            ("JPEG", {"quality": 100, "subsampling": 0}, 0.5),
            ("WEBP", {"lossless": True}, 0.2),
            ("AVIF", {"quality": 100, "subsampling": "4:4:4"}, 0.5),
        ):
            data = encoded(CHART, kind, icc_profile=profile, **options)
            name = f"{kind}: profile with a cicp tag of {primaries}, {curve}"
            yield Coloured(name, data, False, "the tag says it best", tolerance)
    for name, profile in (
        ("matrix 9", cicp_profile(9, 16, matrix=9)),
        ("limited range", cicp_profile(9, 16, full_range=0)),
    ):
        yield _png(
            f"profile of sRGB with a cicp tag of {name}",
            iccp(profile),
            as_stored=True,
            why="such a tag is not for RGB; the profile counts",
        )
    with_both = with_nclx(avif(icc_profile=p3_profile()), 9, 16)
    yield Coloured("AVIF: profile and nclx", with_both, False, "the profile counts", 0.5)
    yield _png("grey, RGB profile with linear light", iccp(cicp_profile(1, 8)), why="", base=GREY)
