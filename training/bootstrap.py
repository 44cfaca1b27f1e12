"""Confidence intervals by the bootstrap over sources.

Images of one source resemble each other. So whole sources are resampled (the cluster bootstrap,
Field & Welsh, 2007, https://doi.org/10.1111/j.1467-9868.2007.00593.x).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.metrics import Floats, Truth

RESAMPLES = 1000
SEED = 0

ENOUGH = 3
"""Fewest sources of a label for an interval. With fewer, it would be far too narrow."""


class Estimate(NamedTuple):
    """A metric and its 95 % interval.

    Args:
        value: on the sample. None if it is undefined.
        low: the 2.5 % quantile of the resamples. None without an interval.
        high: the 97.5 % quantile of the resamples. None without an interval.
    """

    value: float | None
    low: float | None = None
    high: float | None = None


def resample(source: NDArray[np.str_], ai: Truth, sample_weight: Floats) -> Floats:
    """Return the sample weights of the sample and of its resamples.

    Args:
        source: of each image.
        ai: the truth. One label may be missing.
        sample_weight: the weight of each image. Each label has half of the total.

    Returns:
        Weights, shape (1 + resamples, images). The first row is the sample. In each row, each label
        keeps its half. Resamples without one of the labels are left out. If a label has too few
        sources, there is only the first row.
    """
    sides = [side for side in (ai, ~ai) if side.any()]
    if any(len(np.unique(source[side])) < ENOUGH for side in sides):
        return sample_weight[None]
    names, index = np.unique(source, return_inverse=True)
    times = np.random.default_rng(SEED).multinomial(
        len(names), np.full(len(names), 1 / len(names)), RESAMPLES
    )
    drawn = times[:, index] * sample_weight
    drawn = drawn[np.all([drawn[:, side].any(axis=1) for side in sides], axis=0)]
    for side in sides:
        drawn[:, side] *= sample_weight[side].sum() / drawn[:, side].sum(axis=1, keepdims=True)
    return np.concatenate([sample_weight[None], drawn])


def estimate(values: Floats) -> Estimate:
    """Return the estimate from the values on the sample (first) and on its resamples."""
    value, *rest = values
    if np.isnan(value):
        return Estimate(None)
    known = np.asarray(rest)[~np.isnan(rest)]
    if not known.size:
        return Estimate(float(value))
    low, high = np.quantile(known, [0.025, 0.975])
    return Estimate(float(value), float(low), float(high))
