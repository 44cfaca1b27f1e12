"""Intervals: the bootstrap over sources.

Images of one source resemble each other, so what is drawn again is whole sources (the cluster
bootstrap, Field & Welsh, 2007, https://doi.org/10.1111/j.1467-9868.2007.00593.x).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.metrics import Floats, Truth

RESAMPLES = 1000
SEED = 0

ENOUGH = 3
"""Sources of a label below which no interval is given: it would be too narrow to mean anything."""


class Estimate(NamedTuple):
    """A measure and its 95 % interval.

    Args:
        value: measured; None where there was nothing to measure.
        low: 2.5 % of the resamples lie below; None without an interval.
        high: 2.5 % of the resamples lie above; None without an interval.
    """

    value: float | None
    low: float | None = None
    high: float | None = None


def resample(source: NDArray[np.str_], ai: Truth, share: Floats) -> Floats:
    """Weigh the images as the sample and its resamples do.

    Args:
        source: of each image.
        ai: the truth; one label may be missing.
        share: the weight of each image, each label's half of the total.

    Returns:
        Weights, shape (1 + resamples, images), the sample's own first. In each row both labels keep
        their halves. Resamples that lack a label are left out; so are all where a label has too few
        sources for an interval.
    """
    sides = [side for side in (ai, ~ai) if side.any()]
    if any(len(np.unique(source[side])) < ENOUGH for side in sides):
        return share[None]
    names, place = np.unique(source, return_inverse=True)
    times = np.random.default_rng(SEED).multinomial(
        len(names), np.full(len(names), 1 / len(names)), RESAMPLES
    )
    drawn = times[:, place] * share
    drawn = drawn[np.all([drawn[:, side].any(axis=1) for side in sides], axis=0)]
    for side in sides:
        drawn[:, side] *= share[side].sum() / drawn[:, side].sum(axis=1, keepdims=True)
    return np.concatenate([share[None], drawn])


def estimate(values: Floats) -> Estimate:
    """Make an estimate of a measure's value on the sample (first) and its resamples."""
    value, *rest = values
    if np.isnan(value):
        return Estimate(None)
    known = np.asarray(rest)[~np.isnan(rest)]
    if not known.size:
        return Estimate(float(value))
    low, high = np.quantile(known, [0.025, 0.975])
    return Estimate(float(value), float(low), float(high))
