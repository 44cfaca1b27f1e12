"""Reading the packs, and how loudly each source speaks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.pictures import drawing
from training.datasets import packs
from training.datasets.packs import Example
from training.places import Places


def example(source: str, *, ai: bool, corpus: str = "photo") -> Example:
    return Example("modern", "x.webp", ai, corpus, source, "drawn")


def test_pixels_come_back_as_they_were_packed(places: Places) -> None:
    images = packs.load("val", places.data, places.cache)

    assert len(images) == 16
    assert images.examples[5].name == "images-val-real-1.webp"
    assert np.array_equal(images.pixels(5), np.asarray(drawing(5, (300, 260))))
    assert images.labels().tolist() == [1, 1, 1, 1, 0, 0, 0, 0] * 2


def test_a_split_holds_no_image_of_another(places: Places) -> None:
    for split in ("train", "val", "test"):
        images = packs.load(split, places.data, places.cache)
        assert all(f"-{split}-" in example.name for example in images.examples)


def test_decoded_pixels_are_kept(places: Places) -> None:
    packs.load("val", places.data, places.cache)

    assert len(packs.load("val", Path("gone"), places.cache)) == 16


def test_an_interrupted_decoding_is_begun_again(places: Places) -> None:
    places.cache.mkdir(parents=True)
    (places.cache / "val.rgb").write_bytes(b"half")

    assert packs.load("val", places.data, places.cache).pixels(0).shape == (240, 300, 3)


def test_each_source_of_a_label_weighs_the_same_however_many_images_it_has() -> None:
    many = [example("many", ai=True)] * 9
    weights = packs.weights([*many, example("one", ai=True), example("real", ai=False)])

    assert weights[:9].sum() == pytest.approx(weights[9]) == pytest.approx(0.25)


def test_both_labels_weigh_one_half() -> None:
    real = [example(f"real{i}", ai=False) for i in range(5)]
    weights = packs.weights([example("ai", ai=True), *real])

    assert weights[0] == pytest.approx(0.5)
    assert weights.sum() == pytest.approx(1)


def test_a_corpus_can_be_weighed_down() -> None:
    both = [example("a", ai=True), example("b", ai=True, corpus="art")]
    weights = packs.weights([*both, example("c", ai=False)], {"photo": 0.25, "art": 1.0})

    assert weights[1] == pytest.approx(4 * weights[0])
