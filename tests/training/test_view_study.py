"""Ways of looking: each sees the pixels that it says, and what is measured is told right."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from PIL import Image

from training.datasets import packs
from training.datasets.packs import Example
from training.places import Places
from training.view_study import (
    GREY,
    SHAPES,
    Look,
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
    """Draw a picture whose red says how far from the left a pixel is."""
    red = np.arange(width, dtype=np.uint8)[None].repeat(height, axis=0)
    return Image.fromarray(np.stack([red, red * 0, red * 0], axis=-1))


def red(image: Image.Image) -> list[int]:
    """Return the red of the first row."""
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


@pytest.mark.parametrize("look", [whole, padded, centre, squares])
def test_of_a_square_every_look_is_the_square(look: Look) -> None:
    (seen,) = look(columns(40, 40))

    assert red(seen) == list(range(40))


def test_what_is_looked_at_is_averaged() -> None:
    answers = study([columns(100, 40)], lambda image: float(np.asarray(image)[..., 0].mean()))

    assert list(answers) == list(SHAPES)
    assert answers["as it is"]["squares"] == pytest.approx([(19.5 + 49.5 + 79.5) / 3])


def test_no_source_has_more_than_its_share(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.view_study.EACH", 2)
    images = packs.load("val", places.data, places.cache)
    chosen = [images.examples[index] for index in drawn(images)]

    assert {example.pack for example in chosen} == {"modern"}
    taken = Counter((example.corpus, example.ai) for example in chosen)
    # Each label has a source of three photographs and one of a single work of art.
    assert taken == {("photo", True): 2, ("photo", False): 2, ("art", True): 1, ("art", False): 1}


def test_a_gain_is_over_the_whole_image() -> None:
    examples = [
        Example("modern", f"{source}-{index}", source < 4, "photo", f"s{source}", "")
        for source in range(8)
        for index in range(2)
    ]
    ai = np.array([example.ai for example in examples])
    blind, sees = np.zeros(len(ai)), ai.astype(np.float64)
    text = measures(examples, {"as it is": {"whole": blind, "centre": sees}})

    assert "| as it is | whole | 0.500 [0.50, 0.50] |  | 0.000 [0.00, 0.00] |" in text
    assert "| as it is | centre | 1.000 [1.00, 1.00] | 0.500 [0.50, 0.50] | 1.000" in text
