"""Fits the combination and its thresholds on ``val``: ``python -m training.calibrate``.

Each image is taken in all three tiers, and each source weighs the same. How hard to regularise, and
where the thresholds lie, is read off predictions for sources that the fit has not seen.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupKFold, cross_val_predict

from models.manifest import WEIGHTS, Manifest, Scale, Stack, Thresholds, load_manifest
from training.datasets import packs
from training.export import write
from training.places import Places, add_arguments
from training.scores import TIERS, Floats, score

FOLDS = 5
STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
"""Inverse strengths of the regularisation that are tried."""

REAL_CALLED_AI = 0.02
"""Share of real images, each source weighing the same, that the ``ai`` threshold may catch.

The promise is 0.03; the rest is a margin, because ``val`` flatters.
"""

AI_CALLED_REAL = 0.05
"""Share of AI images that the ``real`` threshold may let pass."""


def calibrate(manifest: Manifest, places: Places, weights: Path) -> Manifest:
    """Return the manifest with combination, members' calibrations and thresholds fitted."""
    scores = [score("val", tier, places, weights) for tier in TIERS]
    names = [member.name for member in manifest.members]
    logits = np.concatenate([np.stack([s.logits[n] for n in names], axis=1) for s in scores])
    ai = np.concatenate([s.ai for s in scores])
    share = np.concatenate([packs.weights(s.examples) for s in scores])
    source = np.array([example.source for s in scores for example in s.examples])

    strength, unseen = fit_by_source(logits, ai, share, source)
    stack = _regression(strength).fit(logits, ai, sample_weight=_per_image(share))
    return manifest.model_copy(
        update={
            "members": tuple(
                member.model_copy(update={"calibration": platt(logits[:, [i]], ai, share)})
                for i, member in enumerate(manifest.members)
            ),
            "stack": Stack(
                weights=dict(zip(names, stack.coef_[0].tolist(), strict=True)),
                intercept=float(stack.intercept_[0]),
            ),
            "thresholds": thresholds(
                np.split(unseen, len(TIERS)), np.split(ai, len(TIERS)), share[: len(share) // 3]
            ),
        }
    )


def fit_by_source(
    logits: Floats, ai: NDArray[np.bool_], share: Floats, source: NDArray[np.str_]
) -> tuple[float, Floats]:
    """Choose the strength of the regularisation by cross-validation grouped by source.

    Returns:
        The strength, and each image's probability by a fit that has not seen its source.
    """
    tried = {}
    for strength in STRENGTHS:
        unseen = cross_val_predict(
            _regression(strength),
            logits,
            ai,
            groups=source,
            cv=GroupKFold(FOLDS, shuffle=True, random_state=0),
            method="predict_proba",
            params={"sample_weight": _per_image(share)},
        )[:, 1]
        tried[strength] = (log_loss(ai, unseen, sample_weight=share), unseen)
    best = min(tried, key=lambda strength: tried[strength][0])
    return best, tried[best][1]


def platt(logit: Floats, ai: NDArray[np.bool_], share: Floats) -> Scale:
    """Fit one member's own probability (Platt, 1999); ``logit`` has shape (images, 1)."""
    fit = _regression(1.0).fit(logit, ai, sample_weight=_per_image(share))
    return Scale(slope=float(fit.coef_[0, 0]), intercept=float(fit.intercept_[0]))


def thresholds(
    probabilities: list[Floats], ai: list[NDArray[np.bool_]], share: Floats
) -> Thresholds:
    """Set the thresholds that keep their promise in the worst of the tiers.

    Args:
        probabilities: of the same images in each tier.
        ai: the truth, likewise.
        share: each image's weight.
    """
    pairs = list(zip(probabilities, ai, strict=True))
    highest = max(_quantile(p[~truth], share[~truth], 1 - REAL_CALLED_AI) for p, truth in pairs)
    lowest = min(_quantile(p[truth], share[truth], AI_CALLED_REAL) for p, truth in pairs)
    return Thresholds(real=round(min(lowest, highest), 3), ai=round(highest, 3))


def _regression(strength: float) -> LogisticRegression:
    return LogisticRegression(C=strength)


def _per_image(share: Floats) -> Floats:
    """Scale weights to a mean of 1, which the strength of the regularisation is relative to."""
    scaled: Floats = share / share.mean()
    return scaled


def _quantile(values: Floats, share: Floats, level: float) -> float:
    """Return the value below which ``level`` of the weight lies."""
    order = np.argsort(values)
    below = np.cumsum(share[order]) / share.sum()
    return float(values[order][np.searchsorted(below, level)])


def main() -> None:
    """Read the command line and calibrate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    add_arguments(parser)
    arguments = parser.parse_args()
    fitted = calibrate(load_manifest(arguments.weights), Places.of(arguments), arguments.weights)
    write(fitted, arguments.weights)
    print(fitted.model_dump_json(include={"stack", "thresholds"}, indent=2))
    print(f"model version {fitted.version}")


if __name__ == "__main__":
    main()
