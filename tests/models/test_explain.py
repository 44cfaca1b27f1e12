"""The map of parts, and its picture."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from models.ensemble import Ensemble
from models.explain import CELLS, WINDOWS, judge_parts
from models.manifest import WEIGHTS, load_manifest
from models.networks import Head, load
from models.overlay import LONGEST, draw
from models.views import Pixels
from tests.pictures import photograph


def brightness(pixels: Pixels) -> float:
    return float(pixels.mean() / 255)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 3), (3, 0), (3, 3), (1, 2)])
def test_a_part_that_looks_ai_made_lights_up(row: int, column: int) -> None:
    pixels = np.zeros((400, 600, 3), np.uint8)
    pixels[row * 100 : (row + 1) * 100, column * 150 : (column + 1) * 150] = 255
    parts = judge_parts(pixels, brightness)
    assert parts.shape == (CELLS, CELLS)
    assert parts[row, column] == parts.max() > parts.min()


def test_each_window_is_judged_once_and_certainty_is_no_error() -> None:
    seen: list[tuple[int, ...]] = []

    def certain(pixels: Pixels) -> float:
        seen.append(pixels.shape)
        return float(len(seen) % 2)

    parts = judge_parts(np.zeros((80, 200, 3), np.uint8), certain)
    assert seen == [(40, 100, 3)] * WINDOWS**2
    assert np.isfinite(parts).all()
    assert 0 <= parts.min() <= parts.max() <= 1


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(ValueError, match="expected"):
        judge_parts(np.zeros((80, 80), np.uint8), brightness)


def test_real_members_judge_parts_of_the_smallest_image() -> None:
    ensemble = Ensemble.load(cascade_mode="never")
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (64, 64, 3), np.uint8)
    parts = judge_parts(pixels, lambda part: ensemble.classify(part).probability)
    assert len(np.unique(parts)) > 1


def test_other_weights_give_another_map() -> None:
    manifest = load_manifest()
    loaded = load(WEIGHTS, manifest, manifest.members_for("always"))
    shuffled = {
        name: replace(
            member,
            head=Head(
                np.random.default_rng(0).permutation(member.head.weights), member.head.intercept
            ),
        )
        for name, member in loaded.members.items()
    }
    pixels = np.asarray(photograph())
    maps = [
        judge_parts(pixels, lambda part, of=of: Ensemble(manifest, of).classify(part).probability)
        for of in (loaded, replace(loaded, members=shuffled))
    ]
    assert np.corrcoef(maps[0].ravel(), maps[1].ravel())[0, 1] < 0.8


@pytest.mark.parametrize("size", [(64, 64), (300, 200), (3000, 2000), (2000, 3000), (8000, 64)])
def test_the_picture_is_small_and_has_a_legend(size: tuple[int, int]) -> None:
    pixels = np.full((size[1], size[0], 3), 100, np.uint8)
    parts = np.zeros((CELLS, CELLS), np.float32)
    parts[:, 2:] = 1
    picture = Image.open(io.BytesIO(draw(pixels, parts)))
    assert picture.format == "PNG"
    assert max(picture.size) <= LONGEST
    assert picture.width >= 400
    legend = np.asarray(picture)[-60:]
    assert (legend < 60).all(axis=-1).any(), "there is text"


def test_blue_is_not_ai_and_yellow_is() -> None:
    parts = np.zeros((CELLS, CELLS), np.float32)
    parts[:, 2:] = 1
    picture = np.asarray(Image.open(io.BytesIO(draw(np.full((600, 600, 3), 100, np.uint8), parts))))
    red, _, blue = picture[300, 30]
    assert blue > red
    red, _, blue = picture[300, 570]
    assert red > blue
