"""Views of images of every size and shape."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.views import CROPS, LARGEST, SHORT_SIDE, WHOLE, Pixels, View, prepare
from tests.pictures import photograph

VIEWS = pytest.mark.parametrize("view", [WHOLE, CROPS], ids=lambda view: view.name)


def pixels(width: int, height: int) -> Pixels:
    return np.asarray(photograph().resize((width, height)))


def columns(width: int, height: int) -> Pixels:
    """An image whose red and green encode the column, and whose blue encodes the row."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return np.stack([x % 256, x // 256, y % 256], axis=-1).astype(np.uint8)


@VIEWS
@settings(deadline=None, max_examples=30)
@given(
    width=st.integers(1, 700),
    height=st.integers(1, 700),
    seed=st.integers(0, 2**32),
)
def test_every_size_gives_views_of_the_promised_shape(
    view: View, width: int, height: int, seed: int
) -> None:
    image = prepare(np.zeros((height, width, 3), np.uint8))

    assert view.serve(image).shape == view.shape
    sample = view.sample(image, np.random.default_rng(seed))
    assert (sample.shape, sample.dtype) == (view.shape[1:], np.uint8)


@VIEWS
def test_the_same_image_always_gives_the_same_views(view: View) -> None:
    first, second = (view.serve(prepare(pixels(512, 384))) for _ in range(2))

    assert np.array_equal(first, second)


def test_an_image_at_training_scale_is_cropped_without_touching_a_pixel() -> None:
    image = columns(320, SHORT_SIDE)

    for crop in CROPS.serve(prepare(image)):
        left, top = int(crop[0, 0, 0]) + 256 * int(crop[0, 0, 1]), int(crop[0, 0, 2])
        assert np.array_equal(crop, image[top : top + CROPS.size, left : left + CROPS.size])


def test_a_large_image_is_cropped_at_the_scale_that_training_knows() -> None:
    small, large = pixels(360, 240), pixels(360 * 4, 240 * 4)

    gap = CROPS.serve(prepare(small)).astype(int) - CROPS.serve(prepare(large))
    assert np.abs(gap).mean() < 6


def test_the_crops_of_a_panorama_run_along_it() -> None:
    wide = CROPS.serve(prepare(columns(2000, SHORT_SIDE)))
    tall = CROPS.serve(prepare(columns(2000, SHORT_SIDE).transpose(1, 0, 2)))

    starts = [int(crop[0, 0, 0]) + 256 * int(crop[0, 0, 1]) for crop in wide]
    assert starts == [186, 686, 1186, 1686]
    assert np.array_equal(tall, wide.transpose(0, 2, 1, 3))


def test_a_long_thin_strip_is_never_blown_up() -> None:
    strip = np.zeros((64, 10_000, 3), np.uint8)
    CROPS.serve(prepare(strip[:, :100]))  # Exclude one-time allocations.

    tracemalloc.start()
    image = prepare(strip)
    made = WHOLE.serve(image).nbytes + CROPS.serve(image).nbytes
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert image.size == (10_000, 64)
    assert peak < strip.nbytes + 4 * made


@pytest.mark.parametrize(
    ("width", "height", "prepared"),
    [
        (4000, 2500, (461, LARGEST)),
        (300, 900, (LARGEST, 864)),
        (LARGEST, 400, (LARGEST, 400)),
        (100, 80, (100, 80)),
    ],
)
def test_an_image_larger_than_any_we_train_on_is_taken_down_to_those(
    width: int, height: int, prepared: tuple[int, int]
) -> None:
    assert prepare(np.zeros((height, width, 3), np.uint8)).size == prepared


def test_reducing_in_strips_leaves_no_seam() -> None:
    ramp = np.repeat(np.linspace(0, 255, 2880).astype(np.uint8), 2880 * 3).reshape(2880, 2880, 3)

    rows = np.asarray(prepare(ramp)).astype(int)[:, 0, 0]
    assert np.diff(rows).min() >= 0
    assert np.diff(rows).max() <= 1


def test_training_cuts_crops_from_all_over_the_image() -> None:
    image, rng = prepare(columns(400, 300)), np.random.default_rng(0)

    lefts = [int(CROPS.sample(image, rng)[0, 0, 0]) for _ in range(40)]
    assert max(lefts) - min(lefts) > 100


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((64, 64), np.uint8),
        np.zeros((64, 64, 4), np.uint8),
        np.zeros((64, 64, 3), np.float32),
        np.zeros((0, 64, 3), np.uint8),
    ],
    ids=["grey", "alpha", "float", "empty"],
)
def test_what_is_not_an_rgb_image_is_refused(wrong: Pixels) -> None:
    with pytest.raises(ValueError, match="expected"):
        prepare(wrong)
