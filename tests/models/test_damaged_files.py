"""Damaged files are decoded if browsers show all their pixels, and rejected otherwise."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from models.errors import ErrorCode, ImageError
from models.evidence import find_evidence
from models.image import decode
from tests.models.damaged_files import DamagedFile, damaged_files, rejected_though_shown
from tests.models.image_files import (
    jpeg_segment,
    picture,
    png_chunk,
    with_png_chunk,
    with_wrong_crc,
)
from tests.pictures import PHOTOGRAPHS, encoded, photograph

FILES = [pytest.param(file, id=file.name) for file in damaged_files()]


@pytest.mark.parametrize("file", FILES)
def test_a_file_is_decoded_as_far_as_browsers_show_it(file: DamagedFile) -> None:
    if not file.whole:
        with pytest.raises(ImageError) as refused:
            decode(file.data)
        assert refused.value.code == ErrorCode.CORRUPT_IMAGE, file.why
        return
    assert np.array_equal(decode(file.data).pixels, decode(file.intact).pixels), file.why


@pytest.mark.parametrize(
    "file", [pytest.param(file, id=file.name) for file in rejected_though_shown()]
)
def test_pixels_with_a_wrong_checksum_are_refused(file: DamagedFile) -> None:
    with pytest.raises(ImageError) as refused:
        decode(file.data)
    assert refused.value.code == ErrorCode.CORRUPT_IMAGE


def test_every_kind_of_cut_in_a_last_scan_is_noticed() -> None:
    """A missing byte can go unnoticed if the decoder's replacement has the same meaning."""
    noticed = []
    for name in PHOTOGRAPHS:
        for options in ({"subsampling": 0}, {"subsampling": 2}, {"restart_marker_rows": 1}):
            for mode in ("RGB", "L"):
                image = photograph(name).resize((131, 97)).convert(mode)
                jpeg = encoded(image, progressive=True, **options)
                decode(jpeg[:-2])
                for length in (2, 3, 10, 40):
                    with pytest.raises(ImageError):
                        decode(jpeg[: -2 - length])
                    noticed.append(length)
    assert len(noticed) == 4 * 3 * 2 * 4


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"restart_marker_rows": 1}], ids=str
)
def test_a_picture_that_ends_in_mid_grey_is_whole(mode: str, options: dict[str, object]) -> None:
    grey = Image.new(mode, (200, 150), 128 if mode == "L" else (128,) * len(mode))
    grey.paste(picture(80, 60).convert(mode), (10, 10))

    assert decode(encoded(grey, **options)).width == 200


# Evidence

SETTINGS = b"parameters\0a fox\nSteps: 20, Sampler: Euler a, Seed: 1"


def test_a_generators_text_before_a_damaged_end_is_evidence() -> None:
    png = encoded(picture(), "PNG")
    text, body = png_chunk(b"tEXt", SETTINGS), png[:-12]
    for damaged in (
        with_png_chunk(body, text),
        with_png_chunk(body, text)[:-6],  # in the pixels' checksum
        body + text,
        body + text + png[-12:-1],
        body + with_wrong_crc(png_chunk(b"tEXt", b"Title\0x")) + text + b"\0\0\1\0tEXtabc",
    ):
        assert decode(damaged).width == 96
        assert [fact.kind for fact in find_evidence(damaged)] == ["generator_metadata"]


def test_a_generators_text_that_is_damaged_itself_is_none() -> None:
    png = encoded(picture(), "PNG")
    text = png_chunk(b"tEXt", SETTINGS)

    assert find_evidence(png[:-12] + text[:-20]) == ()
    assert find_evidence(with_png_chunk(png, with_wrong_crc(text))) == ()
    assert find_evidence(png + text) == ()


@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=["baseline", "progressive"])
def test_exif_stands_before_a_damaged_end(options: dict[str, object]) -> None:
    exif = Image.Exif()
    exif[0x0131] = "NovelAI"
    jpeg = encoded(picture(), exif=exif, **options)

    assert [fact.kind for fact in find_evidence(jpeg[:-2])] == ["generator_metadata"]


def test_exif_between_scans_is_no_place_for_it() -> None:
    exif = Image.Exif()
    exif[0x0131], exif[0x0112] = "NovelAI", 6
    jpeg = encoded(picture(), progressive=True)
    place = jpeg.rindex(b"\xff\xda")
    data = jpeg[:place] + jpeg_segment(0xE1, exif.tobytes()) + jpeg[place:]

    assert find_evidence(data) == ()
    assert decode(data).width == 96
