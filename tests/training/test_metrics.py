"""The measures, on cases small enough to reckon by hand."""

from __future__ import annotations

import numpy as np
import pytest

from training import metrics

AI = np.array([True, True, False, False])
EQUAL = np.full(4, 0.25)


def test_auc_is_the_chance_that_an_ai_image_scores_higher() -> None:
    assert metrics.auc(AI, np.array([0.9, 0.3, 0.5, 0.1]), EQUAL) == pytest.approx(0.75)


def test_a_weightless_image_does_not_count() -> None:
    share = np.array([1.0, 0.0, 1.0, 1.0])

    assert metrics.auc(AI, np.array([0.9, 0.3, 0.5, 0.1]), share) == pytest.approx(1)


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
