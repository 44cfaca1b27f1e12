"""Fits the combination and its thresholds on ``val``: ``python -m training.calibrate``.

Each image is taken in all three tiers, and each source weighs the same. How hard to regularise, and
where the thresholds lie, is read off predictions for sources that the fit has not seen. How sure to
be is read off more sources than ``val`` has, see ``training.unseen``.
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
    FirstLook,
    Manifest,
    Scale,
    Stack,
    Thresholds,
    load_manifest,
)
from training import metrics, unseen
from training.datasets import packs
from training.export import write
from training.metrics import Floats
from training.places import Places, add_arguments
from training.scores import TIERS, score

FOLDS = 5
STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
"""Inverse strengths of the regularisation that are tried."""

REAL_CALLED_AI = 0.02
"""Share of real images, each source weighing the same, that the ``ai`` threshold may catch.

3 % are promised on ``val``; on all images together, older ones included, 2 % keeps that.
"""

AI_AMONG_REAL = 0.09
"""Share of AI images among what is called ``real``, where half of all are AI."""

LOSS = 0.003
"""Balanced accuracy, and TPR at 95 % TNR, that skipping the second look may cost."""

GAIN = 0.002
"""AUC that all members must gain over ``clip``, or it decides alone."""

CLIP = "clip"


@dataclass(frozen=True)
class Answers:
    """What the members said of images that they were not trained on.

    Args:
        names: of the members.
        logits: shape (tiers × images, members), one tier after the other.
        examples: the images of one tier.
        extra: what ``clip`` alone said of images that the others were trained on: the images, and
            their logits. None without that member.
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
    def share(self) -> Floats:
        """The weight of each image, in every tier."""
        return np.tile(packs.weights(self.examples), len(TIERS))

    @property
    def source(self) -> NDArray[np.str_]:
        """Where each image comes from, in every tier."""
        return np.tile([example.source for example in self.examples], len(TIERS))


def read_answers(manifest: Manifest, places: Places, weights: Path) -> Answers:
    """Read what the exported members say of ``val``.

    If ``clip`` was trained on ``val``, or on ``test`` as well, these are read, and what it says
    gives way to what heads said that have not seen an image's source.
    """
    names = [member.name for member in manifest.members]
    others = unseen.read(places) if CLIP in names else None
    more: list[packs.Split] = ["val", "test"]
    seen = [split for split in more if split in manifest.trained_on]
    splits = seen or more[:1]
    asked = [name for name in names if not (seen and name == CLIP)]
    examples: list[packs.Example] = []
    rows = []
    for tier in TIERS:
        for split in splits:
            scores = score(split, tier, places, weights, asked)
            columns = dict(scores.logits)
            if others and seen:
                columns[CLIP] = others.of(split, scores.examples, tier)
            rows.append(np.stack([columns[name] for name in names], axis=1))
            if tier == "clean":
                examples += scores.examples
    extra = (others.views["train"].examples, others.logits["train"]) if others else None
    return Answers(names, np.concatenate(rows), examples, extra)


def calibrate(manifest: Manifest, answers: Answers) -> Manifest:
    """Return the manifest with combination, members' calibrations and thresholds fitted."""
    names = answers.names
    stack, probability = fit_smallest(answers)
    limits = thresholds(*_pool(answers, probability))
    first = [name for name in names if name != CLIP]
    return manifest.model_copy(
        update={
            "members": tuple(
                member.model_copy(update={"calibration": _own(answers, member.name)})
                for member in manifest.members
            ),
            "stack": stack,
            "thresholds": limits,
            "first_look": (
                _first_look(answers, first, probability) if 0 < len(first) < len(names) else None
            ),
        }
    )


def fit_smallest(answers: Answers) -> tuple[Stack, Floats]:
    """Fit the combination of all members, or ``clip`` alone if the others add nothing to it.

    Returns:
        As ``fit_stack``.
    """
    together = fit_stack(answers, answers.names)
    if CLIP not in answers.names:
        return together
    alone = fit_stack(answers, [CLIP])
    gain = [
        float(metrics.auc(answers.ai, probability, answers.share))
        for _, probability in (together, alone)
    ]
    print(f"AUC of all members {gain[0]:.4f}, of {CLIP} alone {gain[1]:.4f}, unseen")
    return together if gain[0] >= gain[1] + GAIN else alone


def fit_stack(answers: Answers, names: Sequence[str]) -> tuple[Stack, Floats]:
    """Fit the combination of some members.

    Returns:
        The stack, and each row's probability by one that has not seen its source.
    """
    logits = answers.logits[:, [answers.names.index(name) for name in names]]
    strength, logit = fit_by_source(logits, answers.ai, answers.share, answers.source)
    fitted = _regression(strength).fit(logits, answers.ai, sample_weight=_per_image(answers.share))
    cooling = _cooling(answers)
    stack = Stack(
        weights=dict(zip(names, (cooling * fitted.coef_[0]).tolist(), strict=True)),
        intercept=cooling * float(fitted.intercept_[0]),
    )
    return stack, expit(cooling * logit)


def fit_by_source(
    logits: Floats, ai: NDArray[np.bool_], share: Floats, source: NDArray[np.str_]
) -> tuple[float, Floats]:
    """Choose the strength of the regularisation by cross-validation grouped by source.

    Returns:
        The strength, and each row's log-odds by a fit that has not seen its source.
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
            params={"sample_weight": _per_image(share)},
        )
        tried[strength] = (log_loss(ai, expit(odds), sample_weight=share), odds)
    best = min(tried, key=lambda strength: tried[strength][0])
    return best, tried[best][1]


def _cooling(answers: Answers) -> float:
    """Return by how much to shrink log-odds because the images they were fitted on are easy ones.

    It is the slope of ``clip`` alone on these images and the extra ones, over that on these.
    """
    if answers.extra is None:
        return 1.0
    own = _own(answers, CLIP, alone=True)
    return min(1.0, _own(answers, CLIP).slope / own.slope)


def _own(answers: Answers, name: str, *, alone: bool = False) -> Scale:
    """Fit one member's own probability; that of ``clip`` on the extra images as well."""
    logit = answers.logits[:, answers.names.index(name)]
    ai, share = answers.ai, answers.share
    if name == CLIP and answers.extra is not None and not alone:
        logit, ai, share = _beside(answers, logit, *answers.extra)
    return platt(logit[:, None], ai, share)


def _pool(answers: Answers, probability: Floats) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """Put the extra images, with the probability by ``clip`` alone, beside the others.

    Returns:
        Probabilities, the truth, and weights.
    """
    if answers.extra is None:
        return probability, answers.ai, answers.share
    own = _own(answers, CLIP)
    more, logits = answers.extra
    return _beside(answers, probability, more, expit(own.slope * logits + own.intercept))


def _beside(
    answers: Answers, values: Floats, more: list[packs.Example], extra: Floats
) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """Put values of the extra images beside those of the others; with the truth, and weights."""
    examples = [*answers.examples * len(TIERS), *more]
    ai = np.array([example.ai for example in examples])
    return np.concatenate([values, extra]), ai, packs.weights(examples)


def _first_look(answers: Answers, names: Sequence[str], whole: Floats) -> FirstLook:
    """Fit how the light members judge alone, and when they may.

    Args:
        answers: of all members.
        names: of the light ones.
        whole: each row's probability by all members.
    """
    stack, light = fit_stack(answers, names)
    ai, share = answers.ai, answers.share
    limits = thresholds(light, ai, share)
    return FirstLook(stack=stack, thresholds=limits, doubt=_doubt(light, whole, limits, ai, share))


def _doubt(
    light: Floats, whole: Floats, limits: Thresholds, ai: NDArray[np.bool_], share: Floats
) -> Thresholds:
    """Find the narrowest band of doubt that costs no more than ``LOSS`` of either measure."""

    def measures(probability: Floats) -> Floats:
        return np.array(
            [
                float(metrics.balanced_accuracy(ai, probability, share)),
                float(metrics.tpr_at_tnr(ai, probability, share)),
            ]
        )

    least = measures(whole) - LOSS
    best, fewest = Thresholds(real=0, ai=1), 1.0
    for low in np.linspace(0, limits.real, 11):
        for high in np.linspace(limits.ai, 1, 11):
            unsure = (light >= low) & (light < high)
            seen_again = float(np.average(unsure, weights=share))
            if seen_again < fewest and (measures(np.where(unsure, whole, light)) >= least).all():
                best, fewest = Thresholds(real=float(low), ai=float(high)), seen_again
    return best


def platt(logit: Floats, ai: NDArray[np.bool_], share: Floats) -> Scale:
    """Fit one member's own probability (Platt, 1999); ``logit`` has shape (images, 1)."""
    fit = _regression(1.0).fit(logit, ai, sample_weight=_per_image(share))
    return Scale(slope=float(fit.coef_[0, 0]), intercept=float(fit.intercept_[0]))


def thresholds(probability: Floats, ai: NDArray[np.bool_], share: Floats) -> Thresholds:
    """Set the threshold of ``ai`` by the real images it may catch, of ``real`` by its errors.

    Args:
        probability: of images whose sources the fit has not seen.
        ai: the truth.
        share: each image's weight.
    """
    highest = _quantile(probability[~ai], share[~ai], 1 - REAL_CALLED_AI)
    order = np.argsort(probability)
    wrong = np.cumsum(np.where(ai, share, 0)[order]) / np.cumsum(share[order])
    # The last place up to which few enough are AI; the first images alone say too little.
    few = np.flatnonzero((wrong <= AI_AMONG_REAL) & (np.cumsum(share[order]) > share.sum() / 50))
    lowest = float(probability[order][few[-1]]) if few.size else 0.0
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
    manifest = load_manifest(arguments.weights)
    fitted = calibrate(manifest, read_answers(manifest, Places.of(arguments), arguments.weights))
    write(fitted, arguments.weights)
    print(fitted.model_dump_json(include={"stack", "thresholds", "first_look"}, indent=2))
    print(f"model version {fitted.version}")


if __name__ == "__main__":
    main()
