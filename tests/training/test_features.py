"""Features: each view is computed once, and a killed run resumes."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

from models.runtime import Runtime
from training import features, out_of_fold, teacher
from training.datasets import packs
from training.features import PER_DEPTH, WIDTH, Row, condition, load, rows
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
    answer = Runtime.answer

    def counting(self: Runtime, views: Any) -> Any:
        count[0] += 1
        return answer(self, views)

    monkeypatch.setattr(features, "encoder", small_encoder)
    monkeypatch.setattr(Runtime, "answer", counting)
    return count


def conditions_of(split: packs.Split, paths: Paths) -> dict[str, set[str]]:
    """Return the conditions of each pack's images in a split."""
    images = packs.load(split, paths.data, paths.cache)
    seen: dict[str, set[str]] = {}
    for row in rows(split, images):
        seen.setdefault(images.examples[row.index].pack, set()).add(row.condition)
    return seen


def test_modern_images_are_seen_to_be_fitted_to_and_to_be_judged(paths: Paths) -> None:
    every = {*features.FITTED, *TIERS}

    assert conditions_of("train", paths) == {"images": {"clean"}, "modern": every}
    assert conditions_of("val", paths) == {"images": set(TIERS), "modern": every}


def test_test_is_seen_to_be_judged_alone(paths: Paths) -> None:
    assert conditions_of("test", paths) == {"images": set(TIERS), "modern": set(TIERS)}


def test_conditions_can_be_asked_for_alone(paths: Paths, seen: list[int]) -> None:
    clean = load("train", paths, {"clean"})

    assert set(clean.conditions) == {"clean"}
    assert seen == [16]
    assert load("train", paths).of({"clean"}).values == pytest.approx(clean.values)


@pytest.mark.usefixtures("seen")
def test_depths_are_taken_out_in_the_order_that_is_asked(paths: Paths) -> None:
    known = load("val", paths, {"clean"})
    known.values[:] = np.arange(WIDTH) // PER_DEPTH
    taken = known.at((6, 4)).values

    assert taken.dtype == np.float32
    assert taken.shape == (len(known.examples), 2 * PER_DEPTH)
    assert (taken[:, :PER_DEPTH] == 2).all()
    assert (taken[:, PER_DEPTH:] == 0).all()


def test_other_images_are_seen_anew(paths: Paths, seen: list[int]) -> None:
    load("train", paths, {"clean"})
    index = paths.cache / "train.json"
    index.write_text(index.read_text().replace("modern-train-ai-0.webp", "new.webp"))
    load("train", paths, {"clean"})

    assert seen == [32]


def test_a_view_is_seen_once_and_a_killed_run_goes_on(paths: Paths, seen: list[int]) -> None:
    whole = load("train", paths)
    assert seen == [len(whole.examples)]
    (marks,) = (paths.runs / "features").glob("train-*.done")
    done = np.fromfile(marks, np.uint8)
    done[-5:] = 0
    done.tofile(marks)
    again = load("train", paths)

    assert seen == [len(whole.examples) + 5]
    assert again.values == pytest.approx(whole.values)
    assert load("train", paths).values == pytest.approx(whole.values)
    assert seen == [len(whole.examples) + 5]


def test_an_augmentation_depends_on_image_and_draw_alone(paths: Paths) -> None:
    pixels = packs.load("train", paths.data, paths.cache).pixels(0)
    first, second = (Row(0, name) for name in features.AUGMENTED)

    assert np.array_equal(condition(pixels, first), condition(pixels, first))
    assert not np.array_equal(condition(pixels, first), condition(pixels, second))


@pytest.mark.usefixtures("seen")
def test_the_teacher_has_a_lesson_for_every_image(paths: Paths) -> None:
    known = load("train", paths)
    paths.run("clip").mkdir()
    teacher.write(known, np.linspace(-3, 3, len(known.examples)), paths)
    lessons = teacher.read(paths)

    assert len(set(lessons.names)) == len(lessons.names) == 16
    assert ((lessons.opinions > 0) & (lessons.opinions < 1)).all()
    assert lessons.hints.shape == (16, teacher.HINTS)


@pytest.mark.usefixtures("seen")
def test_unseen_logits_are_found_by_image_and_condition(paths: Paths) -> None:
    known = load("val", paths)
    paths.run("clip").mkdir()
    out_of_fold.write({"val": np.arange(len(known.examples), dtype=float)}, paths)
    kept = out_of_fold.read(paths)
    web = [i for i, each in enumerate(known.conditions) if each == "web"][:3]

    found = kept.of("val", [known.examples[i] for i in web], "web")
    assert found.tolist() == web
    with pytest.raises(KeyError):
        kept.of("val", [packs.Example("modern", "none", True, "art", "nowhere", "")], "web")
