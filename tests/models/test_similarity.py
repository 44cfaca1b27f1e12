"""The perceptual hash of copies, of other images, and of images without structure."""

from __future__ import annotations

import imagehash
import numpy as np
import pytest
from PIL import Image

from models.image import decode
from models.similarity import SIMILAR, perceptual_hash
from tests.pictures import PHOTOGRAPHS, drawing, encoded, photograph


def hash_of(image: Image.Image) -> int:
    found = perceptual_hash(np.asarray(image))
    assert found is not None
    return found


def distance(one: int, other: int) -> int:
    return (one ^ other).bit_count()


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_the_hash_is_that_of_imagehash(name: str) -> None:
    """But the reduction in two steps may turn the two bits next to the median."""
    expected = int(str(imagehash.phash(photograph(name))), 16)
    assert distance(hash_of(photograph(name)), expected) <= 2


@pytest.mark.parametrize("size", [(4000, 3000), (97, 3001), (700, 64)])
def test_a_large_image_is_reduced_as_pillow_does_it(size: tuple[int, int]) -> None:
    """Hashes that are stored stay those of their images."""
    noise = np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8)
    image = Image.fromarray(noise).resize(size)
    thumbnail = image.resize((32, 32), Image.Resampling.LANCZOS, reducing_gap=3.0)

    assert hash_of(image) == int(str(imagehash.phash(thumbnail)), 16)


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_copies_are_similar(name: str) -> None:
    image = photograph(name)
    width, height = image.size
    small = image.resize((width // 2, height // 2))
    copies = [
        decode(encoded(small, "JPEG", quality=50)).pixels,
        decode(encoded(image, "WEBP", quality=60)).pixels,
        np.asarray(image.crop((width // 50, height // 50, width, height))),
        np.asarray(image.convert("L").convert("RGB")),
    ]
    for copy in copies:
        assert distance(hash_of(Image.fromarray(copy)), hash_of(image)) <= SIMILAR


def test_other_images_are_not_similar() -> None:
    images = [*map(photograph, PHOTOGRAPHS), *map(drawing, range(4))]
    hashes = [hash_of(image) for image in images]
    for place, one in enumerate(hashes):
        assert all(distance(one, other) > SIMILAR for other in hashes[:place])


def test_an_image_of_one_colour_has_no_hash() -> None:
    noise = np.random.default_rng(0).integers(0, 3, (300, 300, 3), np.uint8)
    assert perceptual_hash(np.full((64, 900, 3), 255, np.uint8)) is None
    assert perceptual_hash(noise + 100) is None
