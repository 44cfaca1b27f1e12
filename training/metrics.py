"""The metrics of the report, with sample weights.

Each function accepts the weights of one sample, shape (images,), or of many resamples, shape
(resamples, images). It returns one value per sample.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Truth = NDArray[np.bool_]

BINS = 10

_ROUNDING = 1e-9
"""Rounding error of sums of weights."""


def mean(values: NDArray[np.bool_] | Floats, sample_weight: Floats) -> Floats:
    """Return the weighted mean. It is NaN if all weights are 0."""
    with np.errstate(invalid="ignore"):
        answer: Floats = (sample_weight @ values.astype(np.float64)) / sample_weight.sum(axis=-1)
    return answer


def roc(ai: Truth, probability: Floats, sample_weight: Floats) -> tuple[Floats, Floats]:
    """Return the ROC curve: false and true positive rates at the distinct scores.

    Both have the shape of ``sample_weight``, with thresholds in descending order instead of images.
    Each starts with 0 and ends with 1.
    """
    order = np.argsort(-probability, kind="stable")
    # Images with equal scores share a threshold.
    starts = np.flatnonzero(np.diff(probability[order], prepend=np.inf))
    rates = []
    for side in (~ai, ai):
        found = np.add.reduceat((sample_weight * side)[..., order], starts, axis=-1).cumsum(axis=-1)
        rate = found / found[..., -1:]
        rates.append(np.concatenate([np.zeros_like(rate[..., :1]), rate], axis=-1))
    return rates[0], rates[1]


def auc(ai: Truth, probability: Floats, sample_weight: Floats) -> Floats:
    """Return the area under the ROC curve: the probability that an AI image scores higher."""
    false, true = roc(ai, probability, sample_weight)
    return np.asarray(np.trapezoid(true, false, axis=-1))


def tpr_at_tnr(ai: Truth, probability: Floats, sample_weight: Floats, tnr: float = 0.95) -> Floats:
    """Return the share of AI images found when ``tnr`` of the real ones are right."""
    false, true = roc(ai, probability, sample_weight)
    return np.asarray(np.where(false <= 1 - tnr + _ROUNDING, true, 0.0).max(axis=-1))


def balanced_accuracy(ai: Truth, probability: Floats, sample_weight: Floats) -> Floats:
    """Return the mean of the two labels' accuracies at a threshold of 0.5."""
    right = (probability >= 0.5) == ai
    return (mean(right[ai], sample_weight[..., ai]) + mean(right[~ai], sample_weight[..., ~ai])) / 2


def calibration_error(ai: Truth, probability: Floats, sample_weight: Floats) -> Floats:
    """Return the expected calibration error, in ten bins (Naeini, Cooper & Hauskrecht, 2015)."""
    inside = _bins(probability)
    gap = (sample_weight * (probability - ai)) @ inside
    return np.asarray(np.abs(gap).sum(axis=-1) / sample_weight.sum(axis=-1))


def reliability(
    ai: Truth, probability: Floats, sample_weight: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return the reliability diagram of one sample.

    Returns:
        Mean probability, fraction of AI images, and number of images, for each bin with images.
    """
    inside = _bins(probability)
    weight = sample_weight @ inside
    used = weight > 0
    said, was = (sample_weight * probability) @ inside, (sample_weight * ai) @ inside
    return said[used] / weight[used], was[used] / weight[used], inside.sum(axis=0)[used]


def selective(ai: Truth, probability: Floats, sample_weight: Floats) -> tuple[Floats, Floats]:
    """Return coverage and accuracy of one sample, if only the most confident images are decided.

    The threshold is 0.5 (the risk–coverage curve of El-Yaniv & Wiener, 2010).
    """
    order = np.argsort(-np.abs(probability - 0.5), kind="stable")
    right, weight = ((probability >= 0.5) == ai)[order], sample_weight[order]
    covered = weight.cumsum()
    return covered / covered[-1], (weight * right).cumsum() / covered


def _bins(probability: Floats) -> Floats:
    """Return the one-hot bin of each image, shape (images, bins)."""
    index = np.minimum((probability * BINS).astype(int), BINS - 1)
    inside: Floats = np.eye(BINS)[index]
    return inside
