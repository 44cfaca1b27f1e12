"""Fits stages, calibrations and thresholds: ``python -m training.calibrate``.

The strong stages use out-of-fold logits on modern images of ``train`` and ``val``, in all tiers.
Probabilities are calibrated and thresholds are set on held-out kinds of sources, because new images
on the web resemble the training images no more than that. Set on random folds, the thresholds would
label too many real images ``ai`` (``training.compare_heads`` reports both).

The light members were trained on ``train``, so their stage is fitted to ``val``, in folds by
source.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupKFold, cross_val_predict

from models.manifest import WEIGHTS, Manifest, Scale, Stage, Thresholds, load_manifest
from training import metrics, recipes
from training.export import write
from training.features import Features
from training.metrics import Floats
from training.operating_points import Cell, LogitThresholds, cells, fit_thresholds
from training.paths import Paths, add_arguments
from training.recipes import SHIPPED, Logits
from training.scores import score

FOLDS = 5
STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
"""Inverse regularisation strengths that are tried for the light stage."""

LOSS = 0.003
"""Largest loss of AUC, and of TPR at 95 % TNR, by a stage that may decide early."""

STEPS = 40
"""Thresholds that are tried on each side of a band of doubt."""


@dataclass(frozen=True)
class Scored:
    """Out-of-fold log-odds for some views.

    Args:
        known: the views.
        by_scheme: log-odds by what was held out: ``folds`` and ``kinds``.
    """

    known: Features
    by_scheme: dict[str, Floats]


def tiers_of(known: Features) -> list[Cell]:
    """Return the modern views of each tier."""
    return [part for part in cells(known) if not part.corpus]


def weighted(known: Features) -> tuple[NDArray[np.int64], NDArray[np.bool_], Floats]:
    """Return rows, truth and sample weights of the modern views. Each tier weighs the same."""
    parts = tiers_of(known)
    return (
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.ai for part in parts]),
        np.concatenate([part.sample_weight for part in parts]),
    )


def platt(logits: Floats, ai: NDArray[np.bool_], sample_weight: Floats) -> Scale:
    """Fit Platt scaling (Platt, 1999). ``logits`` has shape (images,)."""
    fit = LogisticRegression(C=1.0).fit(
        logits[:, None], ai, sample_weight=sample_weight / sample_weight.mean()
    )
    return Scale(slope=float(fit.coef_[0, 0]), intercept=float(fit.intercept_[0]))


def calibration(scored: Scored) -> Scale:
    """Fit a member's calibration on held-out kinds."""
    rows, ai, sample_weight = weighted(scored.known)
    return platt(scored.by_scheme["kinds"][rows], ai, sample_weight)


def calibrated(scored: Scored, scale: Scale) -> Scored:
    """Return the calibrated log-odds."""
    scaled = {
        name: scale.slope * logits + scale.intercept for name, logits in scored.by_scheme.items()
    }
    return Scored(scored.known, scaled)


def label_thresholds(odds: Floats, known: Features) -> Thresholds:
    """Set the label thresholds by ``training.operating_points``, in every tier and corpus."""
    return as_probabilities(fit_thresholds(odds, list(cells(known))))


def as_probabilities(bounds: LogitThresholds) -> Thresholds:
    """Round up to three digits, which keeps both limits up to a few images."""
    return Thresholds(
        real=round(float(expit(bounds.real)), 3), ai=round(float(expit(bounds.ai)), 3)
    )


def find_doubt(
    early: dict[str, Floats], late: dict[str, Floats], limits: Thresholds, parts: Sequence[Cell]
) -> Thresholds:
    """Find the narrowest band of doubt that costs at most ``LOSS``.

    The loss is the mean over the tiers, of AUC and of TPR at 95 % TNR, for each scheme.

    Args:
        early: log-odds of the stage that may decide, by scheme.
        late: log-odds of the next stage.
        limits: the early stage's label thresholds. The band contains them, so an early decision is
            never ``uncertain``.
        parts: the tiers.

    Returns:
        Thresholds on the probability.
    """
    least = {name: _measures(odds, parts) - LOSS for name, odds in late.items()}
    sure = np.concatenate([early[name][part.rows] for name in early for part in parts])
    weight = np.concatenate([part.sample_weight for _ in early for part in parts])
    lows = _candidates(sure[sure < logit(limits.real)])
    highs = _candidates(sure[sure >= logit(limits.ai)])
    best, fewest = (-np.inf, np.inf), 1.0
    for low in (-np.inf, *lows):
        for high in (*highs, np.inf):
            share = float(np.average((sure >= low) & (sure < high), weights=weight))
            if share < fewest and all(
                (_measures(_chosen(early[name], late[name], low, high), parts) >= least[name]).all()
                for name in early
            ):
                best, fewest = (float(low), float(high)), share
    return Thresholds(real=float(expit(best[0])), ai=float(expit(best[1])))


def _candidates(values: Floats) -> Floats:
    steps: Floats = (
        np.unique(np.quantile(values, np.linspace(0, 1, STEPS))) if len(values) else values
    )
    return steps


def _chosen(early: Floats, late: Floats, low: float, high: float) -> Floats:
    return np.where((early >= low) & (early < high), late, early)


def _measures(odds: Floats, parts: Sequence[Cell]) -> Floats:
    """Return AUC and TPR at 95 % TNR, each the mean over the parts."""
    measured = [
        [
            float(measure(part.ai, odds[part.rows], part.sample_weight))
            for measure in (metrics.auc, metrics.tpr_at_tnr)
        ]
        for part in parts
    ]
    means: Floats = np.mean(measured, axis=0)
    return means


def strong_stages(scored: dict[str, Scored]) -> tuple[dict[str, Scale], tuple[Stage, ...]]:
    """Fit the two stages of the members with a head.

    Both have the same label thresholds, which are set on the decisions of the two together.

    Args:
        scored: logits of ``clip_shallow`` and ``clip``.

    Returns:
        Each member's calibration, and the stages.
    """
    scales = {name: calibration(each) for name, each in scored.items()}
    odds = {name: calibrated(each, scales[name]) for name, each in scored.items()}
    early, late = odds["clip_shallow"].by_scheme, odds["clip"].by_scheme
    known = odds["clip"].known
    doubt = find_doubt(early, late, label_thresholds(early["kinds"], known), tiers_of(known))
    low, high = logit(doubt.real), logit(doubt.ai)
    together = _chosen(early["kinds"], late["kinds"], low, high)
    limits = label_thresholds(together, known)
    # An early decision is never ``uncertain``.
    doubt = Thresholds(real=min(doubt.real, limits.real), ai=max(doubt.ai, limits.ai))
    stages = tuple(
        Stage(
            weights={name: scales[name].slope},
            intercept=scales[name].intercept,
            thresholds=limits,
            doubt=doubt if name == "clip_shallow" else None,
        )
        for name in ("clip_shallow", "clip")
    )
    return scales, stages


@dataclass(frozen=True)
class Answers:
    """The light members' logits for views that they were not trained on, beside those of ``clip``.

    Args:
        known: the views, of ``val``.
        logits: by light member.
        clip: calibrated log-odds of ``clip``.
        easier: the Platt slope of ``clip`` on all views, divided by its slope on these. Below 1,
            because ``val`` is easier than new sources are.
    """

    known: Features
    logits: dict[str, Floats]
    clip: Floats
    easier: float


def light_stage(answers: Answers) -> tuple[dict[str, Scale], Stage]:
    """Fit the stage of the light members.

    Returns:
        Each member's calibration, and the stage.
    """
    rows, ai, sample_weight = weighted(answers.known)
    source = np.array([answers.known.examples[row].source for row in rows])
    columns = np.stack(list(answers.logits.values()), axis=1)[rows]
    strength, out_of_fold = fit_by_source(columns, ai, sample_weight, source)
    fitted = LogisticRegression(C=strength).fit(
        columns, ai, sample_weight=sample_weight / sample_weight.mean()
    )
    odds = np.full(len(answers.known.examples), np.nan)
    odds[rows] = answers.easier * out_of_fold
    limits = label_thresholds(odds, answers.known)
    coefficients = (answers.easier * fitted.coef_[0]).tolist()
    stage = Stage(
        weights=dict(zip(answers.logits, coefficients, strict=True)),
        intercept=answers.easier * float(fitted.intercept_[0]),
        thresholds=limits,
        doubt=find_doubt({"folds": odds}, {"folds": answers.clip}, limits, tiers_of(answers.known)),
    )
    scales = {
        name: platt(logits[rows], ai, sample_weight) for name, logits in answers.logits.items()
    }
    return scales, stage


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
            LogisticRegression(C=strength),
            logits,
            ai,
            groups=source,
            cv=GroupKFold(FOLDS, shuffle=True, random_state=0),
            method="decision_function",
            params={"sample_weight": sample_weight / sample_weight.mean()},
        )
        tried[strength] = (log_loss(ai, expit(odds), sample_weight=sample_weight), odds)
    best = min(tried, key=lambda strength: tried[strength][0])
    return best, tried[best][1]


def read_scored(paths: Paths) -> dict[str, Scored]:
    """Return the out-of-fold logits of the members with a head."""
    known = recipes.load(paths)
    logits = Logits(known, paths)
    views = known.without_values()
    return {name: Scored(views, logits.by_scheme(recipe)) for name, recipe in SHIPPED.items()}


def read_answers(clip: Scored, manifest: Manifest, paths: Paths, weights: Path) -> Answers:
    """Return the light members' logits for ``val``.

    Args:
        clip: its logits.
        manifest: of the exported members.
        paths: where the data and the cached scores are.
        weights: the folder of the exported members.
    """
    names = [member.name for member in manifest.members if member.name not in SHIPPED]
    tiers = {tier: score("val", tier, paths, weights, names) for tier in set(clip.known.tiers)}
    index = {
        (example, tier): row
        for tier, scores in tiers.items()
        for row, example in enumerate(scores.examples)
    }
    views = list(zip(clip.known.examples, clip.known.tiers.tolist(), strict=True))
    rows = np.flatnonzero([view in index for view in views])
    own = calibration(clip)
    mine = Scored(
        clip.known.take(rows), {name: odds[rows] for name, odds in clip.by_scheme.items()}
    )
    here, ai, sample_weight = weighted(mine.known)
    on_val = platt(mine.by_scheme["folds"][here], ai, sample_weight)
    places = [(views[row][1], index[views[row]]) for row in rows]
    return Answers(
        mine.known,
        {
            name: np.array([tiers[tier].logits[name][place] for tier, place in places])
            for name in names
        },
        calibrated(mine, own).by_scheme["folds"],
        min(1.0, own.slope / on_val.slope),
    )


def calibrate(manifest: Manifest, scored: dict[str, Scored], answers: Answers) -> Manifest:
    """Return the manifest with fitted stages and calibrations."""
    strong, stages = strong_stages(scored)
    light, first = light_stage(answers)
    scales = strong | light
    members = tuple(
        member.model_copy(update={"calibration": scales[member.name]})
        for member in manifest.members
    )
    return manifest.model_copy(update={"members": members, "stages": stages, "light": first})


def main() -> None:
    """Read the command line and calibrate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    add_arguments(parser)
    arguments = parser.parse_args()
    paths, manifest = Paths.of(arguments), load_manifest(arguments.weights)
    scored = read_scored(paths)
    answers = read_answers(scored["clip"], manifest, paths, arguments.weights)
    fitted = calibrate(manifest, scored, answers)
    write(fitted, arguments.weights)
    print(fitted.model_dump_json(include={"stages", "light"}, indent=2))
    print(f"model version {fitted.version}")


if __name__ == "__main__":
    main()
