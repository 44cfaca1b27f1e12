"""Operating points: label thresholds and early exits, evaluated out of fold.

``training.compare_heads`` reports both for the recipe that it chooses. Thresholds are set on one
kind of out-of-fold logits and evaluated on another, so the gap is measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.members import clip
from training import metrics
from training.datasets import packs
from training.features import Features
from training.markdown import table
from training.metrics import Floats
from training.scores import TIERS

REAL_CALLED_AI = 0.04
"""Largest fraction of real images above the ``ai`` threshold, in every tier and corpus."""

AI_AMONG_REAL = 0.08
"""Largest fraction of AI images below the ``real`` threshold, if half of all images are AI."""

EXITS = (0.2, 0.4, 0.6, 0.8)
"""Fractions of images that exit early."""


@dataclass(frozen=True)
class Cell:
    """The images of one tier, or of one corpus in a tier.

    Args:
        tier: their tier.
        corpus: ``photo`` or ``art``, or "" for both.
        rows: their rows among all views.
        ai: the truth.
        sample_weight: their weights. Each label has half of the total.
    """

    tier: str
    corpus: str
    rows: NDArray[np.int64]
    ai: NDArray[np.bool_]
    sample_weight: Floats


@dataclass(frozen=True)
class LogitThresholds:
    """Thresholds on the logit: ``ai`` from the upper one on, ``real`` below the lower one."""

    real: float
    ai: float


def cells(known: Features) -> Iterator[Cell]:
    """Yield the modern images of each tier that has views, as a whole and by corpus.

    A corpus without one of the labels is left out.
    """
    modern = np.array([example.pack == "modern" for example in known.examples])
    corpus = np.array([example.corpus for example in known.examples])
    for tier in TIERS:
        for name in ("", "photo", "art"):
            mine = modern & (known.tiers == tier) & ((corpus == name) | (name == ""))
            rows = np.flatnonzero(mine)
            examples = [known.examples[row] for row in rows]
            ai = np.array([example.ai for example in examples], bool)
            if ai.any() and not ai.all():
                yield Cell(tier, name, rows, ai, packs.weights(examples))


def fit_thresholds(logits: Floats, parts: Sequence[Cell]) -> LogitThresholds:
    """Choose thresholds that keep both limits in each of the parts."""
    high = [_upper(logits[part.rows][~part.ai], part.sample_weight[~part.ai]) for part in parts]
    low = [
        _lower(logits[part.rows], part.ai, part.sample_weight) for part in parts if not part.corpus
    ]
    return LogitThresholds(real=min([*low, max(high)]), ai=max(high))


def _upper(logits: Floats, sample_weight: Floats) -> float:
    """Return the lowest threshold that at most ``REAL_CALLED_AI`` of the real images reach."""
    order = np.argsort(-logits, kind="stable")
    passed = np.cumsum(sample_weight[order]) / sample_weight.sum()
    first = int(np.searchsorted(passed, REAL_CALLED_AI, side="right"))
    return float(np.nextafter(logits[order][min(first, len(order) - 1)], np.inf))


def _lower(logits: Floats, ai: NDArray[np.bool_], sample_weight: Floats) -> float:
    """Return the highest threshold that keeps ``AI_AMONG_REAL``, or else the lowest logit."""
    order = np.argsort(logits, kind="stable")
    wrong = np.cumsum((sample_weight * ai)[order]) / np.cumsum(sample_weight[order])
    few = np.flatnonzero(wrong <= AI_AMONG_REAL)
    last = few[-1] if few.size else -1
    return float(np.nextafter(logits[order][last], np.inf) if few.size else logits.min())


def labels(
    logits: Floats, bounds: LogitThresholds, part: Cell
) -> tuple[float, float, float, float]:
    """Compute the rates of the labels.

    Returns:
        The fractions of real images labelled ``ai``, of AI images labelled ``ai``, of decided
        images, and of correct ones among the decided.
    """
    scores = logits[part.rows]
    called_ai, called_real = scores >= bounds.ai, scores < bounds.real
    decided = called_ai | called_real
    right = (called_ai & part.ai) | (called_real & ~part.ai)

    def rate(which: NDArray[np.bool_], among: NDArray[np.bool_]) -> float:
        return float(metrics.mean(which[among], part.sample_weight[among]))

    every = np.ones(len(scores), bool)
    return (
        rate(called_ai, ~part.ai),
        rate(called_ai, part.ai),
        rate(decided, every),
        rate(right, decided),
    )


def label_table(out_of_fold: Mapping[str, Floats], known: Features) -> str:
    """Format the label rates, for thresholds set and evaluated on each kind of logits.

    Args:
        out_of_fold: logits of all views, by what was held out.
        known: the views.
    """
    parts = list(cells(known))
    bounds = {name: fit_thresholds(logits, parts) for name, logits in out_of_fold.items()}
    rows = []
    for evaluated_on, logits in out_of_fold.items():
        for name, found in bounds.items():
            for part in parts:
                counts = (f"{count:.3f}" for count in labels(logits, found, part))
                rows.append((name, evaluated_on, part.tier, part.corpus or "all", *counts))
    titles = ("set on", "on", "tier", "corpus", "real → ai", "AI → ai", "decided", "correct")
    return table(titles, rows)


def exit_scores(shallow: Floats, whole: Floats, sample_weight: Floats, part: float) -> Floats:
    """Return the scores if the most confident part of the images exits early.

    These get the shallow logit, scaled to the full logit by least squares.
    """
    order = np.argsort(-np.abs(shallow), kind="stable")
    stops = np.zeros(len(shallow), bool)
    stops[order[np.cumsum(sample_weight[order]) <= part * sample_weight.sum() + 1e-9]] = True
    slope, intercept = np.polyfit(shallow, whole, 1, w=np.sqrt(sample_weight))
    return np.where(stops, slope * shallow + intercept, whole)


def exit_table(
    shallow: Mapping[str, Floats], whole: Mapping[str, Floats], known: Features, depth: int
) -> str:
    """Format the cost of early exits over all tiers.

    Args:
        shallow: logits of a head that ends at ``depth``, by what was held out.
        whole: logits of the full recipe.
        known: the views.
        depth: the block after which an image may exit.
    """
    parts = [part for part in cells(known) if not part.corpus]
    rows = []
    for name in whole:
        for stop in EXITS:
            lost = []
            for part in parts:
                one, all_ = shallow[name][part.rows], whole[name][part.rows]
                early = exit_scores(one, all_, part.sample_weight, stop)
                lost.append(
                    [
                        float(measure(part.ai, early, part.sample_weight))
                        - float(measure(part.ai, all_, part.sample_weight))
                        for measure in (metrics.auc, metrics.tpr_at_tnr)
                    ]
                )
            auc, tpr = np.mean(lost, axis=0)
            cost = 1 - stop * (1 - depth / clip.BLOCKS)
            rows.append((name, f"{stop:.1f}", f"{auc:+.4f}", f"{tpr:+.3f}", f"{cost:.2f}"))
    return table(("on", "exit early", "AUC", "TPR", "cost per image"), rows)
