"""Measures the exported members and the ensemble: ``python -m training.evaluate``.

Reads ``val``; reads ``test`` only when told to (``--test``), which is for the end, once. Writes
``metrics.json``, tables of slices and of mistakes, and the plots; ``training.report`` puts them
into words.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from models.ensemble import Ensemble
from models.manifest import WEIGHTS, load_manifest
from models.verdict import Label
from training import audits, metrics, plots, slices
from training.bootstrap import Estimate, estimate
from training.datasets import facts, packs
from training.judged import ENSEMBLE, Judged, judge
from training.places import Places, add_arguments
from training.scores import TIERS, score

REPORT = Path(__file__).parent / "report"

PARTS: dict[str, Callable[[packs.Example], bool]] = {
    "modern": lambda example: example.pack == "modern",
    "modern photo": lambda example: example.pack == "modern" and example.corpus == "photo",
    "modern art": lambda example: example.pack == "modern" and example.corpus == "art",
    "older photo": lambda example: example.pack == "images" and example.corpus == "photo",
    "older art": lambda example: example.pack == "images" and example.corpus == "art",
}
"""What is measured apart; the modern pack resembles the web of today."""


def evaluate(judged: Judged) -> dict[str, Any]:
    """Measure one split in one tier.

    Returns:
        For each of ``PARTS`` how many images and sources of each label it has (``images``,
        ``sources``), every member's and the ensemble's measures (``models``), and how the labels
        fell (``labels``). A measure is a value with its interval, see ``Estimate``.
    """
    return {
        part: _part(judged.take(np.array([belongs(example) for example in judged.examples])))
        for part, belongs in PARTS.items()
    }


def _part(judged: Judged) -> dict[str, Any]:
    sides = {"ai": judged.ai, "real": ~judged.ai}
    return {
        "images": {truth: int(side.sum()) for truth, side in sides.items()},
        "sources": {truth: len(np.unique(judged.source[side])) for truth, side in sides.items()},
        "models": {name: _measure(judged, name) for name in judged.probabilities},
        "labels": _labels(judged),
    }


def _measure(judged: Judged, name: str) -> dict[str, Estimate]:
    """Measure one model; ``lead`` is the ensemble's AUC less this model's, on the same images."""
    ai, probability, shares = judged.ai, judged.probabilities[name], judged.shares
    auc = metrics.auc(ai, probability, shares)
    measured = {
        "auc": auc,
        "tpr_at_95_tnr": metrics.tpr_at_tnr(ai, probability, shares),
        "balanced_accuracy": metrics.balanced_accuracy(ai, probability, shares),
        "ece": metrics.calibration_error(ai, probability, shares),
    }
    if name != ENSEMBLE:
        measured["lead"] = metrics.auc(ai, judged.ensemble, shares) - auc
    return {measure: estimate(values) for measure, values in measured.items()}


def _labels(judged: Judged) -> dict[str, Any]:
    """Count the labels of each truth, and say how far the two decided labels can be trusted."""
    ai, labels, shares = judged.ai, judged.labels, judged.shares
    decided = labels != Label.UNCERTAIN
    right = np.where(ai, labels == Label.AI, labels == Label.REAL)
    sides = (("ai", ai), ("real", ~ai))
    called = {
        f"{truth}_called_{label}": metrics.mean(labels[side] == label, shares[:, side])
        for truth, side in sides
        for label in (Label.AI, Label.REAL)
    }
    measured = {
        "coverage": metrics.mean(decided, shares),
        "selective_accuracy": metrics.mean(right[decided], shares[:, decided]),
        **called,
    }
    return {
        "counts": {
            truth: {str(label): int((side & (labels == label)).sum()) for label in Label}
            for truth, side in sides
        },
        **{measure: estimate(values) for measure, values in measured.items()},
    }


def measure(splits: list[packs.Split], places: Places, weights: Path, folder: Path) -> None:
    """Measure the splits in every tier, audit, and write all of it into a folder.

    Args:
        splits: which to read.
        places: where the data is, and where scores are kept.
        weights: the folder of the exported members.
        folder: takes the figures, tables and plots.
    """
    folder.mkdir(parents=True, exist_ok=True)
    manifest = load_manifest(weights)
    judged = {
        split: {tier: judge(manifest, score(split, tier, places, weights)) for tier in TIERS}
        for split in splits
    }
    originals = {split: facts.read(split, places.data) for split in splits}
    for split, tiers in judged.items():
        slices.write(
            [row for tier in TIERS for row in slices.cut(tier, tiers[tier], originals[split])],
            folder / f"slices-{split}.csv",
        )
        slices.write(slices.mistakes(tiers["clean"]), folder / f"mistakes-{split}.csv")
    plots.draw(judged, folder)
    ensemble = Ensemble.load(weights)
    figures = {
        "version": manifest.version,
        "trained_on": manifest.trained_on,
        "thresholds": manifest.thresholds.model_dump(),
        "splits": {
            split: {tier: evaluate(each) for tier, each in tiers.items()}
            for split, tiers in judged.items()
        },
        "audits": {
            "invariance": audits.invariance(
                packs.load("val", places.data, places.cache), ensemble.judge
            ),
            "metadata": {
                split: audits.metadata(tiers["clean"].of_pack("modern"), originals[split])
                for split, tiers in judged.items()
            },
        },
    }
    (folder / "metrics.json").write_text(json.dumps(_rounded(figures)) + "\n")


def _rounded(value: Any) -> Any:
    """Round every number, deep inside, to what the sample sizes can bear."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(inner) for inner in value]
    return value


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--report", type=Path, default=REPORT)
    parser.add_argument("--test", action="store_true", help="read the test split, too")
    add_arguments(parser)
    arguments = parser.parse_args()
    measure(
        ["val", "test"] if arguments.test else ["val"],
        Places.of(arguments),
        arguments.weights,
        arguments.report,
    )


if __name__ == "__main__":
    main()
