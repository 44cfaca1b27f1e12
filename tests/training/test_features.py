"""Features: each view is computed once, and a killed run resumes."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

from models.runtime import Runtime
from training import features, teacher
from training.datasets import packs
from training.features import PER_DEPTH, WIDTH, load, rows
from training.paths import Paths
from training.scores import TIERS


def small_encoder(_: Paths) -> keras.Model:
    """A substitute for the CLIP encoder, whose weights are not available in tests."""
    given = layers.Input(features.VIEW.shape[1:], dtype="uint8")
    mean = layers.GlobalAveragePooling2D()(layers.Rescaling(1 / 255)(given))
    return keras.Model(given, ops.tile(mean, (1, WIDTH // 3)))


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts the images that the encoder has processed."""
    count = [0]
    run = Runtime.run

    def counting(self: Runtime, views: Any) -> Any:
        count[0] += 1
        return run(self, views)

    monkeypatch.setattr(features, "encoder", small_encoder)
    monkeypatch.setattr(Runtime, "run", counting)
    return count


def tiers_of(split: packs.Split, paths: Paths) -> dict[str, set[str]]:
    """Return the tiers of each pack's images in a split."""
    images = packs.load(split, paths.data, paths.cache)
    seen: dict[str, set[str]] = {}
    for row in rows(images):
        seen.setdefault(images.examples[row.index].pack, set()).add(row.tier)
    return seen


def test_modern_images_are_seen_in_every_tier(paths: Paths) -> None:
    for split in ("train", "val"):
        assert tiers_of(split, paths) == {"images": {"clean"}, "modern": set(TIERS)}


def test_few_images_of_a_source_are_seen_recompressed(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "MOST", 1)
    images = packs.load("train", paths.data, paths.cache)
    count = {tier: sum(row.tier == tier for row in rows(images)) for tier in TIERS}

    assert count == {"clean": 16, "web": 4, "hard": 4}


@pytest.mark.usefixtures("seen")
def test_depths_are_taken_out_in_the_order_that_is_asked(paths: Paths) -> None:
    known = load("val", paths)
    known.values[:] = np.arange(WIDTH) // PER_DEPTH
    taken = known.at((6, 4)).values

    assert taken.dtype == np.float32
    assert taken.shape == (len(known.examples), 2 * PER_DEPTH)
    assert (taken[:, :PER_DEPTH] == 2).all()
    assert (taken[:, PER_DEPTH:] == 0).all()


def test_a_new_image_costs_only_its_own_time(paths: Paths, seen: list[int]) -> None:
    before = seen[0] + len(load("train", paths).examples)
    index = paths.cache / "train.json"
    index.write_text(index.read_text().replace("modern-train-ai-0.webp", "new.webp"))
    load("train", paths)

    assert seen == [before + len(TIERS)]


def test_a_view_is_seen_once_and_a_killed_run_goes_on(paths: Paths, seen: list[int]) -> None:
    whole = load("train", paths)
    assert seen == [len(whole.examples)]
    for file in list((paths.runs / "features" / "clean").glob("*.npy"))[:5]:
        file.rename(file.with_suffix(".unfinished"))
    again = load("train", paths)

    assert seen == [len(whole.examples) + 5]
    assert again.values == pytest.approx(whole.values)
    assert load("train", paths).values == pytest.approx(whole.values)
    assert seen == [len(whole.examples) + 5]


@pytest.mark.usefixtures("seen")
def test_the_teacher_has_a_lesson_for_every_image(paths: Paths) -> None:
    known = load("train", paths)
    paths.run("clip").mkdir()
    teacher.write(known, np.linspace(-3, 3, len(known.examples)), paths)
    lessons = teacher.read(paths)

    assert len(set(lessons.names)) == len(lessons.names) == 16
    assert ((lessons.opinions > 0) & (lessons.opinions < 1)).all()
    assert lessons.hints.shape == (16, teacher.HINTS)
