"""The view study: each view shows the right pixels, and the table is correct."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from PIL import Image

from training.datasets import packs
from training.datasets.packs import Example
from training.paths import Paths
from training.view_study import (
    GREY,
    SHAPES,
    ViewFunction,
    centre,
    drawn,
    measures,
    mirrored,
    padded,
    squares,
    strip,
    study,
    whole,
)


def columns(width: int, height: int) -> Image.Image:
    """Draw a picture whose red channel is the distance from the left edge."""
    red = np.arange(width, dtype=np.uint8)[None].repeat(height, axis=0)
    return Image.fromarray(np.stack([red, red * 0, red * 0], axis=-1))


def red(image: Image.Image) -> list[int]:
    """Return the red channel of the first row."""
    return np.asarray(image)[0, :, 0].tolist()


def test_strips_are_cut_out_of_the_middle_and_not_squashed() -> None:
    wide, tall = strip(columns(120, 90)), strip(columns(120, 90), tall=True)

    assert wide.size == (120, 40)
    assert red(wide) == list(range(120))
    assert tall.size == (30, 90)
    assert red(tall) == list(range(45, 75))


def test_squares_cover_a_long_image_to_its_ends() -> None:
    seen = [red(square) for square in squares(columns(100, 40))]

    assert [part[0] for part in seen] == [0, 30, 60]
    assert [part[-1] for part in seen] == [39, 69, 99]
    assert len(squares(columns(40, 40))) == 1


def test_one_looks_at_the_middle_the_mirror_image_and_the_shape() -> None:
    image = columns(100, 40)

    assert red(centre(image)[0]) == list(range(30, 70))
    assert [red(seen) for seen in mirrored(image)] == [list(range(100)), list(range(99, -1, -1))]
    (square,) = padded(image)
    assert square.size == (100, 100)
    assert square.getpixel((50, 5)) == GREY
    assert square.getpixel((50, 50)) == (50, 0, 0)


@pytest.mark.parametrize("view", [whole, padded, centre, squares])
def test_every_view_of_a_square_is_the_square(view: ViewFunction) -> None:
    (seen,) = view(columns(40, 40))

    assert red(seen) == list(range(40))


def test_several_crops_are_averaged() -> None:
    answers = study([columns(100, 40)], lambda image: float(np.asarray(image)[..., 0].mean()))

    assert list(answers) == list(SHAPES)
    assert answers["unchanged"]["squares"] == pytest.approx([(19.5 + 49.5 + 79.5) / 3])


def test_no_source_has_more_than_its_share(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.view_study.EACH", 2)
    images = packs.load("val", paths.data, paths.cache)
    chosen = [images.examples[index] for index in drawn(images)]

    assert {example.pack for example in chosen} == {"modern"}
    taken = Counter((example.corpus, example.ai) for example in chosen)
    # Each label has a source with three photographs and a source with one artwork.
    assert taken == {("photo", True): 2, ("photo", False): 2, ("art", True): 1, ("art", False): 1}


def test_a_gain_is_over_the_whole_image() -> None:
    examples = [
        Example("modern", f"{source}-{index}", source < 4, "photo", f"s{source}", "")
        for source in range(8)
        for index in range(2)
    ]
    ai = np.array([example.ai for example in examples])
    blind, sees = np.zeros(len(ai)), ai.astype(np.float64)
    text = measures(examples, {"unchanged": {"whole": blind, "centre": sees}})

    assert "| unchanged | whole | 0.500 [0.50, 0.50] |  | 0.000 [0.00, 0.00] |" in text
    assert "| unchanged | centre | 1.000 [1.00, 1.00] | 0.500 [0.50, 0.50] | 1.000" in text
