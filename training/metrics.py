"""The measures of the report; every image counts by its weight."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score, roc_curve

Floats = NDArray[np.float64]
Truth = NDArray[np.bool_]

BINS = 10


def auc(ai: Truth, probability: Floats, share: Floats) -> float:
    """Return the area under the ROC curve."""
    return float(roc_auc_score(ai, probability, sample_weight=share))


def tpr_at_tnr(ai: Truth, probability: Floats, share: Floats, tnr: float = 0.95) -> float:
    """Return the share of AI images found when ``tnr`` of the real ones are right."""
    false, true, _ = roc_curve(ai, probability, sample_weight=share, drop_intermediate=False)
    return float(true[false <= 1 - tnr].max(initial=0.0))


def balanced_accuracy(ai: Truth, probability: Floats, share: Floats) -> float:
    """Return the mean of both labels' accuracy when every image must be called at 0.5."""
    right = (probability >= 0.5) == ai
    return float(np.mean([np.average(right[side], weights=share[side]) for side in (ai, ~ai)]))


def reliability(ai: Truth, probability: Floats, share: Floats) -> list[tuple[float, float, float]]:
    """Return for each bin with images: mean probability, share that is AI, weight of the bin."""
    bins = np.minimum((probability * BINS).astype(int), BINS - 1)
    return [
        (
            float(np.average(probability[inside], weights=share[inside])),
            float(np.average(ai[inside], weights=share[inside])),
            float(share[inside].sum() / share.sum()),
        )
        for inside in (bins == index for index in range(BINS))
        if inside.any()
    ]


def calibration_error(ai: Truth, probability: Floats, share: Floats) -> float:
    """Return the expected calibration error: the mean gap of the reliability diagram."""
    return sum(
        weight * abs(said - was) for said, was, weight in reliability(ai, probability, share)
    )
