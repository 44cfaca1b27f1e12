"""Augmentation is random but reproducible."""

from __future__ import annotations

import numpy as np
import pytest

from tests.pictures import photograph
from training.augment import SMALLEST, augment

PIXELS = np.asarray(photograph("coffee").resize((360, 240)))


def test_the_same_random_numbers_give_the_same_image() -> None:
    first, second = (augment(PIXELS, np.random.default_rng(3)) for _ in range(2))

    assert np.array_equal(first, second)


def test_images_differ_in_size_and_content_and_stay_images() -> None:
    made = [augment(PIXELS, np.random.default_rng(seed)) for seed in range(40)]

    assert len({image.shape for image in made}) > 10
    assert all(image.dtype == np.uint8 and image.shape[2] == 3 for image in made)
    assert min(min(image.shape[:2]) for image in made) >= SMALLEST
    assert max(image.shape[0] for image in made) <= 240


@pytest.mark.parametrize("shape", [(64, 64, 3), (128, 128, 3), (64, 2000, 3)])
def test_small_and_long_images_survive(shape: tuple[int, ...]) -> None:
    for seed in range(30):
        assert augment(np.zeros(shape, np.uint8), np.random.default_rng(seed)).size
