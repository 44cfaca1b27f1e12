"""The head of the map of parts, and the made images that it is fitted to."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from models.ensemble import Ensemble
from models.manifest import WEIGHTS, load_manifest
from training import parts
from training.composites import paste
from training.datasets import packs
from training.paths import Paths


def test_the_part_is_where_the_mask_says() -> None:
    rng = np.random.default_rng(3)
    black, white = (np.full((300, 500, 3), value, np.uint8) for value in (0, 255))
    made = paste(black, white, 0.4, 95, rng)
    assert made.pixels.shape == black.shape
    assert black.max() == 0, "the image itself is unchanged"
    assert made.inside.mean() == pytest.approx(0.16, abs=0.01)
    bright = (made.pixels[..., 0] > 127).mean()
    assert bright == pytest.approx(made.inside.mean(), abs=0.01)
    rows, columns = np.nonzero(made.inside_cells(14))
    for row, column in zip(rows, columns, strict=True):
        assert made.pixels[(2 * row + 1) * 300 // 28, (2 * column + 1) * 500 // 28, 0] > 127


def test_a_part_is_never_larger_than_its_source() -> None:
    rng = np.random.default_rng(0)
    made = paste(np.zeros((200, 200, 3), np.uint8), np.full((20, 30, 3), 255, np.uint8), 1, 95, rng)
    assert made.inside.mean() == pytest.approx(20 * 30 / 200**2, rel=0.2)


def test_all_four_combinations_are_made(paths: Paths) -> None:
    maker = parts.Maker(packs.load("train", paths.data, paths.cache))
    made = [maker.make(number) for number in range(4)]
    assert {(into, part) for _, into, part in made} == {
        (False, False),
        (False, True),
        (True, False),
        (True, True),
    }
    again, _, _ = maker.make(2)
    assert np.array_equal(made[2][0].pixels, again.pixels), "the number decides everything"


def test_the_head_is_fitted_written_and_listed(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "weights"
    shutil.copytree(WEIGHTS, weights)
    monkeypatch.setattr(parts, "IMAGES", 4)
    options = ["parts", "--data", str(paths.data), "--runs", str(paths.runs)]
    monkeypatch.setattr("sys.argv", [*options, "--weights", str(weights)])
    parts.main()
    ours, shipped = load_manifest(weights), load_manifest()
    assert ours.parts is not None
    assert ours.parts != shipped.parts
    assert ours.version == shipped.version, "verdicts do not depend on the map"
    image = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    assert Ensemble.load(weights).map_parts(image).shape == (14, 14)

    monkeypatch.setattr(parts, "read", None)
    parts.main()  # All made images are known.
    assert load_manifest(weights) == ours
