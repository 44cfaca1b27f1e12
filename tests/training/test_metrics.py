"""The metrics, on cases small enough to compute by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from training import metrics

AI = np.array([True, True, False, False])
EQUAL = np.full(4, 0.25)
PERFECT = np.array([0.9, 0.8, 0.2, 0.1])
USELESS = np.full(4, 0.5)


def test_auc_is_the_chance_that_an_ai_image_scores_higher() -> None:
    assert metrics.auc(AI, np.array([0.9, 0.3, 0.5, 0.1]), EQUAL) == pytest.approx(0.75)


def test_auc_is_scikit_learn_s_also_with_ties_and_weights() -> None:
    rng = np.random.default_rng(0)
    ai = rng.random(200) < 0.4
    probability = np.round(rng.random(200), 1)
    sample_weight = rng.random(200)

    expected = roc_auc_score(ai, probability, sample_weight=sample_weight)
    assert metrics.auc(ai, probability, sample_weight) == pytest.approx(expected)


def test_perfect_scores_have_the_best_values() -> None:
    assert metrics.auc(AI, PERFECT, EQUAL) == pytest.approx(1)
    assert metrics.tpr_at_tnr(AI, PERFECT, EQUAL) == pytest.approx(1)
    assert metrics.balanced_accuracy(AI, PERFECT, EQUAL) == pytest.approx(1)


def test_useless_scores_have_the_values_of_chance() -> None:
    assert metrics.auc(AI, USELESS, EQUAL) == pytest.approx(0.5)
    assert metrics.tpr_at_tnr(AI, USELESS, EQUAL) == 0
    assert metrics.balanced_accuracy(AI, USELESS, EQUAL) == pytest.approx(0.5)


def test_a_weightless_image_does_not_count() -> None:
    sample_weight = np.array([1.0, 0.0, 1.0, 1.0])

    assert metrics.auc(AI, np.array([0.9, 0.3, 0.5, 0.1]), sample_weight) == pytest.approx(1)


@pytest.mark.parametrize(
    "measure",
    [metrics.auc, metrics.tpr_at_tnr, metrics.balanced_accuracy, metrics.calibration_error],
)
def test_many_weights_at_once_are_each_measured_as_if_alone(measure: metrics.Measure) -> None:
    rng = np.random.default_rng(0)
    ai = np.arange(60) % 2 == 0
    probability, resampled_weights = rng.random(60), rng.random((5, 60))

    alone = [float(measure(ai, probability, sample_weight)) for sample_weight in resampled_weights]
    assert measure(ai, probability, resampled_weights) == pytest.approx(alone)


def test_tpr_is_read_where_enough_real_images_are_right() -> None:
    ai = np.array([True] * 4 + [False] * 20)
    probability = np.array([0.95, 0.8, 0.5, 0.1, 0.9, 0.6, *[0.2] * 18])

    assert metrics.tpr_at_tnr(ai, probability, np.ones(24)) == pytest.approx(0.5)


def test_balanced_accuracy_is_the_mean_of_both_labels() -> None:
    ai = np.array([True, False, False, False])

    assert metrics.balanced_accuracy(ai, np.array([0.2, 0.1, 0.2, 0.3]), EQUAL) == 0.5


def test_a_forecaster_that_keeps_its_word_has_no_calibration_error() -> None:
    assert metrics.calibration_error(AI, np.full(4, 0.5), EQUAL) == pytest.approx(0)


def test_overconfidence_is_a_calibration_error() -> None:
    assert metrics.calibration_error(AI, np.full(4, 0.95), EQUAL) == pytest.approx(0.45)


def test_reliability_tells_of_the_bins_that_have_images() -> None:
    said, was, images = metrics.reliability(AI, np.array([0.9, 0.12, 0.92, 0.16]), EQUAL)

    assert said == pytest.approx([0.14, 0.91])
    assert was == pytest.approx([0.5, 0.5])
    assert images.tolist() == [2, 2]


def test_the_surest_images_are_decided_first() -> None:
    coverage, right = metrics.selective(AI, np.array([0.95, 0.4, 0.8, 0.3]), EQUAL)

    assert coverage == pytest.approx([0.25, 0.5, 0.75, 1])
    assert right == pytest.approx([1, 1 / 2, 2 / 3, 1 / 2])


def test_nothing_has_no_mean() -> None:
    assert np.isnan(metrics.mean(np.array([]), np.array([])))
