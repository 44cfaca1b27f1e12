"""Fits the combination of the members and the label thresholds: ``python -m training.calibrate``.

It uses ``val``, with each image in all three tiers and the same weight for each source. The
regularisation strength and the thresholds come from out-of-fold predictions. The scale of the
log-odds comes from more sources than ``val`` has, see ``training.out_of_fold``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupKFold, cross_val_predict

from models.manifest import (
    WEIGHTS,
    Cascade,
    Manifest,
    Scale,
    Stack,
    Thresholds,
    load_manifest,
)
from training import metrics, out_of_fold
from training.datasets import packs
from training.export import write
from training.metrics import Floats
from training.paths import Paths, add_arguments
from training.scores import TIERS, score

FOLDS = 5
STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
"""Inverse regularisation strengths that are tried."""

REAL_CALLED_AI = 0.02
"""Largest fraction of real images above the ``ai`` threshold, with equal weight per source.

The target on modern images of ``val`` is 3 %. 2 % on all images, older ones included, meets it.
"""

AI_AMONG_REAL = 0.09
"""Largest fraction of AI images among those labelled ``real``, if half of all images are AI."""

LOSS = 0.003
"""Largest loss of balanced accuracy, and of TPR at 95 % TNR, by the cascade mode ``auto``."""

GAIN = 0.002
"""Smallest AUC gain of all members over ``clip`` alone. Below it, ``clip`` decides alone."""

CLIP = "clip"


@dataclass(frozen=True)
class Answers:
    """The members' logits for images that they were not trained on.

    Args:
        names: of the members.
        logits: shape (tiers × images, members), one tier after the other.
        examples: the images of one tier.
        extra: images that the other members were trained on, and the out-of-fold logits of ``clip``
            for them. None without ``clip``.
    """

    names: list[str]
    logits: Floats
    examples: list[packs.Example]
    extra: tuple[list[packs.Example], Floats] | None = None

    @property
    def ai(self) -> NDArray[np.bool_]:
        """The truth, in every tier."""
        return np.tile([example.ai for example in self.examples], len(TIERS))

    @property
    def sample_weight(self) -> Floats:
        """The sample weight of each image, in every tier."""
        return np.tile(packs.weights(self.examples), len(TIERS))

    @property
    def source(self) -> NDArray[np.str_]:
        """The source of each image, in every tier."""
        return np.tile([example.source for example in self.examples], len(TIERS))


def read_answers(manifest: Manifest, paths: Paths, weights: Path) -> Answers:
    """Return the exported members' logits for ``val``.

    If ``clip`` was trained on ``val``, or also on ``test``, these splits are read instead, and its
    own logits are replaced by out-of-fold logits.
    """
    names = [member.name for member in manifest.members]
    others = out_of_fold.read(paths) if CLIP in names else None
    more: list[packs.Split] = ["val", "test"]
    seen = [split for split in more if split in manifest.trained_on]
    splits = seen or more[:1]
    asked = [name for name in names if not (seen and name == CLIP)]
    examples: list[packs.Example] = []
    rows = []
    for tier in TIERS:
        for split in splits:
            scores = score(split, tier, paths, weights, asked)
            columns = dict(scores.logits)
            if others and seen:
                columns[CLIP] = others.of(split, scores.examples, tier)
            rows.append(np.stack([columns[name] for name in names], axis=1))
            if tier == "clean":
                examples += scores.examples
    extra = (others.views["train"].examples, others.logits["train"]) if others else None
    return Answers(names, np.concatenate(rows), examples, extra)


def calibrate(manifest: Manifest, answers: Answers) -> Manifest:
    """Return the manifest with fitted combination, calibrations and thresholds."""
    names = answers.names
    stack, probability = fit_smallest(answers)
    limits = thresholds(*_pool(answers, probability))
    light = [name for name in names if name != CLIP]
    return manifest.model_copy(
        update={
            "members": tuple(
                member.model_copy(update={"calibration": _own(answers, member.name)})
                for member in manifest.members
            ),
            "stack": stack,
            "thresholds": limits,
            "cascade": (
                _cascade(answers, light, probability) if 0 < len(light) < len(names) else None
            ),
        }
    )


def fit_smallest(answers: Answers) -> tuple[Stack, Floats]:
    """Fit the combination of all members, or ``clip`` alone if the others do not help.

    Returns:
        The same as ``fit_stack``.
    """
    together = fit_stack(answers, answers.names)
    if CLIP not in answers.names:
        return together
    alone = fit_stack(answers, [CLIP])
    gain = [
        float(metrics.auc(answers.ai, probability, answers.sample_weight))
        for _, probability in (together, alone)
    ]
    print(f"out-of-fold AUC: all members {gain[0]:.4f}, {CLIP} alone {gain[1]:.4f}")
    return together if gain[0] >= gain[1] + GAIN else alone


def fit_stack(answers: Answers, names: Sequence[str]) -> tuple[Stack, Floats]:
    """Fit the combination of some members.

    Returns:
        The stack, and each row's out-of-fold probability.
    """
    logits = answers.logits[:, [answers.names.index(name) for name in names]]
    strength, logit = fit_by_source(logits, answers.ai, answers.sample_weight, answers.source)
    fitted = _regression(strength).fit(
        logits, answers.ai, sample_weight=_per_image(answers.sample_weight)
    )
    cooling = _cooling(answers)
    stack = Stack(
        weights=dict(zip(names, (cooling * fitted.coef_[0]).tolist(), strict=True)),
        intercept=cooling * float(fitted.intercept_[0]),
    )
    return stack, expit(cooling * logit)


def fit_by_source(
    logits: Floats, ai: NDArray[np.bool_], sample_weight: Floats, source: NDArray[np.str_]
) -> tuple[float, Floats]:
    """Choose the regularisation strength by cross-validation grouped by source.

    Returns:
        The inverse strength, and each row's out-of-fold log-odds.
    """
    tried = {}
    for strength in STRENGTHS:
        odds = cross_val_predict(
            _regression(strength),
            logits,
            ai,
            groups=source,
            cv=GroupKFold(FOLDS, shuffle=True, random_state=0),
            method="decision_function",
            params={"sample_weight": _per_image(sample_weight)},
        )
        tried[strength] = (log_loss(ai, expit(odds), sample_weight=sample_weight), odds)
    best = min(tried, key=lambda strength: tried[strength][0])
    return best, tried[best][1]


def _cooling(answers: Answers) -> float:
    """Return the factor that shrinks the log-odds, because the images of ``val`` are easy.

    It is the Platt slope of ``clip`` with the extra images, divided by the slope without them.
    """
    if answers.extra is None:
        return 1.0
    own = _own(answers, CLIP, alone=True)
    return min(1.0, _own(answers, CLIP).slope / own.slope)


def _own(answers: Answers, name: str, *, alone: bool = False) -> Scale:
    """Fit one member's own calibration. For ``clip``, the extra images are included."""
    logit = answers.logits[:, answers.names.index(name)]
    ai, sample_weight = answers.ai, answers.sample_weight
    if name == CLIP and answers.extra is not None and not alone:
        logit, ai, sample_weight = _beside(answers, logit, *answers.extra)
    return platt(logit[:, None], ai, sample_weight)


def _pool(answers: Answers, probability: Floats) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """Append the extra images, with the probability of ``clip`` alone.

    Returns:
        Probabilities, truth and sample weights.
    """
    if answers.extra is None:
        return probability, answers.ai, answers.sample_weight
    own = _own(answers, CLIP)
    more, logits = answers.extra
    return _beside(answers, probability, more, expit(own.slope * logits + own.intercept))


def _beside(
    answers: Answers, values: Floats, more: list[packs.Example], extra: Floats
) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """Append the values of the extra images. Return values, truth and sample weights."""
    examples = [*answers.examples * len(TIERS), *more]
    ai = np.array([example.ai for example in examples])
    return np.concatenate([values, extra]), ai, packs.weights(examples)


def _cascade(answers: Answers, names: Sequence[str], whole: Floats) -> Cascade:
    """Fit the cascade's first stage and the band in which the second stage runs.

    Args:
        answers: of all members.
        names: of the light members.
        whole: each row's probability by the full stack.
    """
    stack, light = fit_stack(answers, names)
    ai, sample_weight = answers.ai, answers.sample_weight
    limits = thresholds(light, ai, sample_weight)
    return Cascade(
        stack=stack, thresholds=limits, doubt=_doubt(light, whole, limits, ai, sample_weight)
    )


def _doubt(
    light: Floats, whole: Floats, limits: Thresholds, ai: NDArray[np.bool_], sample_weight: Floats
) -> Thresholds:
    """Find the narrowest band that costs no more than ``LOSS`` of either metric."""

    def measures(probability: Floats) -> Floats:
        return np.array(
            [
                float(metrics.balanced_accuracy(ai, probability, sample_weight)),
                float(metrics.tpr_at_tnr(ai, probability, sample_weight)),
            ]
        )

    least = measures(whole) - LOSS
    best, fewest = Thresholds(real=0, ai=1), 1.0
    for low in np.linspace(0, limits.real, 11):
        for high in np.linspace(limits.ai, 1, 11):
            unsure = (light >= low) & (light < high)
            second_stage = float(np.average(unsure, weights=sample_weight))
            if second_stage < fewest and (measures(np.where(unsure, whole, light)) >= least).all():
                best, fewest = Thresholds(real=float(low), ai=float(high)), second_stage
    return best


def platt(logit: Floats, ai: NDArray[np.bool_], sample_weight: Floats) -> Scale:
    """Fit Platt scaling (Platt, 1999). ``logit`` has shape (images, 1)."""
    fit = _regression(1.0).fit(logit, ai, sample_weight=_per_image(sample_weight))
    return Scale(slope=float(fit.coef_[0, 0]), intercept=float(fit.intercept_[0]))


def thresholds(probability: Floats, ai: NDArray[np.bool_], sample_weight: Floats) -> Thresholds:
    """Choose the label thresholds by ``REAL_CALLED_AI`` and ``AI_AMONG_REAL``.

    Args:
        probability: out-of-fold probabilities.
        ai: the truth.
        sample_weight: each image's weight.
    """
    highest = _quantile(probability[~ai], sample_weight[~ai], 1 - REAL_CALLED_AI)
    order = np.argsort(probability)
    wrong = np.cumsum(np.where(ai, sample_weight, 0)[order]) / np.cumsum(sample_weight[order])
    # The highest rank below which few enough images are AI. The lowest 2 % are too few to count.
    few = np.flatnonzero(
        (wrong <= AI_AMONG_REAL) & (np.cumsum(sample_weight[order]) > sample_weight.sum() / 50)
    )
    lowest = float(probability[order][few[-1]]) if few.size else 0.0
    return Thresholds(real=round(min(lowest, highest), 3), ai=round(highest, 3))


def _regression(strength: float) -> LogisticRegression:
    return LogisticRegression(C=strength)


def _per_image(sample_weight: Floats) -> Floats:
    """Scale the weights to a mean of 1. The regularisation strength is relative to it."""
    scaled: Floats = sample_weight / sample_weight.mean()
    return scaled


def _quantile(values: Floats, sample_weight: Floats, level: float) -> float:
    """Return the weighted quantile."""
    order = np.argsort(values)
    below = np.cumsum(sample_weight[order]) / sample_weight.sum()
    return float(values[order][np.searchsorted(below, level)])


def main() -> None:
    """Read the command line and calibrate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    add_arguments(parser)
    arguments = parser.parse_args()
    manifest = load_manifest(arguments.weights)
    fitted = calibrate(manifest, read_answers(manifest, Paths.of(arguments), arguments.weights))
    write(fitted, arguments.weights)
    print(fitted.model_dump_json(include={"stack", "thresholds", "cascade"}, indent=2))
    print(f"model version {fitted.version}")


if __name__ == "__main__":
    main()
