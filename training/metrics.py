"""The measures of the report; every image counts by its weight.

Each takes the weights of one sample, shape (images,), or of many resamples at once, shape
(resamples, images), and answers with one value for each.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Truth = NDArray[np.bool_]

BINS = 10

_ROUNDING = 1e-9
"""What sums of weights may be off by."""


def mean(values: NDArray[np.bool_] | Floats, share: Floats) -> Floats:
    """Return the weighted mean, NaN where nothing has weight."""
    with np.errstate(invalid="ignore"):
        answer: Floats = (share @ values.astype(np.float64)) / share.sum(axis=-1)
    return answer


def roc(ai: Truth, probability: Floats, share: Floats) -> tuple[Floats, Floats]:
    """Return the ROC curve: the false and the true positive rate, at the distinct scores.

    Both have the shape of ``share`` with the images replaced by the thresholds, the highest first;
    each begins with 0 and ends with 1.
    """
    order = np.argsort(-probability, kind="stable")
    # Images of the same score are called together.
    starts = np.flatnonzero(np.diff(probability[order], prepend=np.inf))
    rates = []
    for side in (~ai, ai):
        found = np.add.reduceat((share * side)[..., order], starts, axis=-1).cumsum(axis=-1)
        rate = found / found[..., -1:]
        rates.append(np.concatenate([np.zeros_like(rate[..., :1]), rate], axis=-1))
    return rates[0], rates[1]


def auc(ai: Truth, probability: Floats, share: Floats) -> Floats:
    """Return the area under the ROC curve: the chance that an AI image scores higher."""
    false, true = roc(ai, probability, share)
    return np.asarray(np.trapezoid(true, false, axis=-1))


def tpr_at_tnr(ai: Truth, probability: Floats, share: Floats, tnr: float = 0.95) -> Floats:
    """Return the share of AI images found when ``tnr`` of the real ones are right."""
    false, true = roc(ai, probability, share)
    return np.asarray(np.where(false <= 1 - tnr + _ROUNDING, true, 0.0).max(axis=-1))


def balanced_accuracy(ai: Truth, probability: Floats, share: Floats) -> Floats:
    """Return the mean of both labels' accuracy when every image must be called at 0.5."""
    right = (probability >= 0.5) == ai
    return (mean(right[ai], share[..., ai]) + mean(right[~ai], share[..., ~ai])) / 2


def calibration_error(ai: Truth, probability: Floats, share: Floats) -> Floats:
    """Return the expected calibration error, in ten bins (Naeini, Cooper & Hauskrecht, 2015)."""
    inside = _bins(probability)
    gap = (share * (probability - ai)) @ inside
    return np.asarray(np.abs(gap).sum(axis=-1) / share.sum(axis=-1))


def reliability(ai: Truth, probability: Floats, share: Floats) -> tuple[Floats, Floats]:
    """Return for each bin with images, of one sample: mean probability, share that is AI."""
    inside = _bins(probability)
    weight = share @ inside
    used = weight > 0
    said, was = (share * probability) @ inside, (share * ai) @ inside
    return said[used] / weight[used], was[used] / weight[used]


def selective(ai: Truth, probability: Floats, share: Floats) -> tuple[Floats, Floats]:
    """Return coverage and accuracy, of one sample, as the least sure images are left undecided.

    Calls at 0.5; the surest image first (the risk–coverage curve of El-Yaniv & Wiener, 2010).
    """
    order = np.argsort(-np.abs(probability - 0.5), kind="stable")
    right, weight = ((probability >= 0.5) == ai)[order], share[order]
    covered = weight.cumsum()
    return covered / covered[-1], (weight * right).cumsum() / covered


def _bins(probability: Floats) -> Floats:
    """Say which bin each image lies in: shape (images, bins), 1 inside and 0 outside."""
    place = np.minimum((probability * BINS).astype(int), BINS - 1)
    inside: Floats = np.eye(BINS)[place]
    return inside
