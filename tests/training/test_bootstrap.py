"""The width of the intervals depends on the sources, not on the images."""

from __future__ import annotations

import numpy as np
import pytest

from training import metrics
from training.bootstrap import ENOUGH, Estimate, estimate, resample

SOURCES, IMAGES = 20, 10
SOURCE = np.repeat(np.arange(SOURCES), IMAGES).astype(str)
AI = np.repeat(np.arange(SOURCES) % 2 == 0, IMAGES)
SHARE = np.full(SOURCES * IMAGES, 1 / (SOURCES * IMAGES))
# All images of a source are found, or none.
FOUND = np.repeat(np.arange(SOURCES) % 4 < 2, IMAGES)


def width(source: np.ndarray) -> float:
    found = estimate(metrics.mean(FOUND[AI], resample(source, AI, SHARE)[:, AI]))
    assert found.low is not None
    assert found.high is not None
    return found.high - found.low


def test_sources_that_are_uniform_inside_make_the_interval_wider_than_their_images_would() -> None:
    each_image_a_source = np.arange(SOURCES * IMAGES).astype(str)

    # Ten sources per label instead of a hundred images: a factor of about the square root of ten.
    assert 2 < width(SOURCE) / width(each_image_a_source) < 5


def test_the_sample_itself_comes_first_and_both_labels_keep_their_halves() -> None:
    resampled_weights = resample(SOURCE, AI, SHARE)

    assert np.array_equal(resampled_weights[0], SHARE)
    assert resampled_weights[:, AI].sum(axis=1) == pytest.approx(0.5)
    assert resampled_weights[:, ~AI].sum(axis=1) == pytest.approx(0.5)


def test_a_source_is_drawn_as_a_whole() -> None:
    resampled_weights = resample(SOURCE, AI, SHARE).reshape(-1, SOURCES, IMAGES)

    assert np.ptp(resampled_weights, axis=2) == pytest.approx(0)
    assert (resampled_weights == 0).any()


def test_the_same_images_have_the_same_interval() -> None:
    assert np.array_equal(resample(SOURCE, AI, SHARE), resample(SOURCE, AI, SHARE))


def test_too_few_sources_have_no_interval() -> None:
    few = np.isin(SOURCE, [str(2 * index) for index in range(ENOUGH - 1)]) | ~AI
    resampled_weights = resample(SOURCE[few], AI[few], SHARE[few])

    assert len(resampled_weights) == 1
    assert estimate(metrics.mean(FOUND[few], resampled_weights)).low is None


def test_one_label_alone_has_an_interval() -> None:
    assert (
        estimate(metrics.mean(FOUND[AI], resample(SOURCE[AI], AI[AI], SHARE[AI]))).low is not None
    )


def test_what_could_not_be_measured_is_not_known() -> None:
    assert estimate(np.array([np.nan, 0.5])) == Estimate(None)
