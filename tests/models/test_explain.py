"""The map of parts, and its picture."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from models.ensemble import Ensemble
from models.explain import CELLS, WINDOWS, judge_windows, map_patches, with_neighbours
from models.manifest import WEIGHTS, load_manifest
from models.networks import Head, load
from models.overlay import LONGEST, draw
from models.views import Pixels
from settings import CascadeMode
from tests.pictures import photograph


def brightness(pixels: Pixels) -> float:
    return float(pixels.mean() / 255)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 3), (3, 0), (3, 3), (1, 2)])
def test_a_window_that_looks_ai_made_lights_up(row: int, column: int) -> None:
    pixels = np.zeros((400, 600, 3), np.uint8)
    pixels[row * 100 : (row + 1) * 100, column * 150 : (column + 1) * 150] = 255
    parts = judge_windows(pixels, brightness)
    assert parts.shape == (CELLS, CELLS)
    assert parts[row, column] == parts.max() > parts.min()


def test_each_window_is_judged_once_and_certainty_is_no_error() -> None:
    seen: list[tuple[int, ...]] = []

    def certain(pixels: Pixels) -> float:
        seen.append(pixels.shape)
        return float(len(seen) % 2)

    parts = judge_windows(np.zeros((80, 200, 3), np.uint8), certain)
    assert seen == [(40, 100, 3)] * WINDOWS**2
    assert np.isfinite(parts).all()
    assert 0 <= parts.min() <= parts.max() <= 1


def test_a_patch_is_judged_with_its_neighbours() -> None:
    tokens = np.zeros((1 + 25, 2), np.float32)
    tokens[0] = 100  # The class token belongs to no patch.
    tokens[1 + 7, 1] = 9  # Row 1, column 2.
    known = with_neighbours(tokens)[:, 1].reshape(5, 5)
    assert known[0].tolist() == [0, 1.5, 1.5, 1.5, 0], "at the edge there are fewer neighbours"
    assert known[1].tolist() == known[2].tolist() == [0, 1, 1, 1, 0]
    assert not known[3:].any()


def test_a_patch_that_looks_ai_made_lights_up() -> None:
    tokens = np.zeros((1 + 196, 2), np.float32)
    tokens[1 + 14 * 3 + 5] = (0, 50)
    parts = map_patches(tokens, Head(np.array([1, 1], np.float32), -1.0))
    assert parts.shape == (14, 14)
    assert parts[3, 5] == parts.max() > 0.9
    assert parts.min() == pytest.approx(1 / (1 + math.e))


@pytest.mark.parametrize("mode", ["always", "never"])
def test_what_is_no_image_is_refused(mode: CascadeMode) -> None:
    with pytest.raises(ValueError, match="expected"):
        Ensemble.load(cascade_mode=mode).map_parts(np.zeros((80, 80), np.uint8))


@pytest.mark.parametrize(("mode", "cells"), [("always", 14), ("auto", 14), ("never", CELLS)])
def test_the_shipped_weights_map_the_smallest_image(mode: CascadeMode, cells: int) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    parts = Ensemble.load(cascade_mode=mode).map_parts(pixels)
    assert parts.shape == (cells, cells)
    assert len(np.unique(parts)) > 1


def test_another_head_gives_another_map() -> None:
    manifest = load_manifest()
    loaded = load(WEIGHTS, manifest, manifest.members_for("always"))
    assert loaded.parts is not None
    head = loaded.parts.head
    shuffled = Head(np.random.default_rng(0).permutation(head.weights), head.intercept)
    others = replace(loaded, parts=replace(loaded.parts, head=shuffled))
    maps = [
        Ensemble(manifest, each).map_parts(np.asarray(photograph())) for each in (loaded, others)
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
