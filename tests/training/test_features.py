"""Features: each view is seen once, and a run that was killed goes on."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

from models.runtime import Runtime
from training import features, teacher, unseen
from training.datasets import packs
from training.features import WIDTH, Row, condition, load, rows
from training.places import Places


def small_tower(_: Places) -> keras.Model:
    """A stand-in for CLIP's tower, whose weights are not to be had in a test."""
    given = layers.Input(features.VIEW.shape[1:], dtype="uint8")
    mean = layers.GlobalAveragePooling2D()(layers.Rescaling(1 / 255)(given))
    return keras.Model(given, ops.tile(mean, (1, WIDTH // 3)))


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts the images that the tower has seen."""
    count = [0]
    answer = Runtime.answer

    def counting(self: Runtime, views: Any) -> Any:
        count[0] += 1
        return answer(self, views)

    monkeypatch.setattr(features, "tower", small_tower)
    monkeypatch.setattr(Runtime, "answer", counting)
    return count


def test_modern_images_to_train_on_are_seen_in_more_conditions(places: Places) -> None:
    images = packs.load("train", places.data, places.cache)
    conditions: dict[str, set[str]] = {"images": set(), "modern": set()}
    for row in rows("train", images):
        conditions[images.examples[row.index].pack].add(row.condition)

    assert conditions == {
        "images": {"clean"},
        "modern": {"clean", "augmented-1", "augmented-2"},
    }


def test_val_is_seen_in_every_tier(places: Places) -> None:
    listed = rows("val", packs.load("val", places.data, places.cache))

    assert {row.condition for row in listed} == {"clean", "web", "hard"}
    assert len(listed) == 16 * 3


def test_a_view_is_seen_once_and_a_killed_run_goes_on(places: Places, seen: list[int]) -> None:
    whole = load("train", places)
    assert seen == [len(whole.examples)]
    (marks,) = (places.runs / "features").glob("train-*.done")
    done = np.fromfile(marks, np.uint8)
    done[-5:] = 0
    done.tofile(marks)
    again = load("train", places)

    assert seen == [len(whole.examples) + 5]
    assert again.values == pytest.approx(whole.values)
    assert load("train", places).values == pytest.approx(whole.values)
    assert seen == [len(whole.examples) + 5]


def test_an_augmentation_depends_on_image_and_draw_alone(places: Places) -> None:
    pixels = packs.load("train", places.data, places.cache).pixels(0)
    first, second = (Row(0, name) for name in features.AUGMENTED)

    assert np.array_equal(condition(pixels, first), condition(pixels, first))
    assert not np.array_equal(condition(pixels, first), condition(pixels, second))


@pytest.mark.usefixtures("seen")
def test_the_teacher_has_a_lesson_for_every_image(places: Places) -> None:
    known = load("train", places)
    places.run("clip").mkdir()
    teacher.write(known, np.linspace(-3, 3, len(known.examples)), places)
    lessons = teacher.read(places)

    assert len(set(lessons.names)) == len(lessons.names) == 16
    assert ((lessons.opinions > 0) & (lessons.opinions < 1)).all()
    assert lessons.hints.shape == (16, teacher.HINTS)


@pytest.mark.usefixtures("seen")
def test_unseen_logits_are_found_by_image_and_condition(places: Places) -> None:
    known = load("val", places)
    places.run("clip").mkdir()
    unseen.write({"val": np.arange(len(known.examples), dtype=float)}, places)
    kept = unseen.read(places)
    web = [i for i, each in enumerate(known.conditions) if each == "web"][:3]

    found = kept.of("val", [known.examples[i] for i in web], "web")
    assert found.tolist() == web
    with pytest.raises(KeyError):
        kept.of("val", [packs.Example("modern", "none", True, "art", "nowhere", "")], "web")
