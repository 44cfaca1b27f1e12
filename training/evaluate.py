"""Evaluates the exported members and the ensemble: ``python -m training.evaluate``.

It reads ``val``, or with ``--test`` only ``test``. Read ``test`` only once, at the end. The heads
were fitted to ``val``, so its figures check no more than the code. It writes ``metrics.json``,
tables of slices and mistakes, and the plots. ``training.report`` turns them into a report.
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
from training.datasets import packs
from training.datasets.originals import read as read_originals
from training.paths import Paths, add_arguments
from training.predictions import ENSEMBLE, Predictions, predict
from training.scores import TIERS, score

REPORT = Path(__file__).parent / "report"

PARTS: dict[str, Callable[[packs.Example], bool]] = {
    "modern": lambda example: example.pack == "modern",
    "modern photo": lambda example: example.pack == "modern" and example.corpus == "photo",
    "modern art": lambda example: example.pack == "modern" and example.corpus == "art",
    "older photo": lambda example: example.pack == "images" and example.corpus == "photo",
    "older art": lambda example: example.pack == "images" and example.corpus == "art",
}
"""The evaluated parts. The modern pack resembles today's web."""


def evaluate(predictions: Predictions) -> dict[str, Any]:
    """Evaluate one split in one tier.

    Returns:
        For each of ``PARTS``: the number of images and sources by label (``images``, ``sources``),
        the metrics of each member and of the ensemble (``models``), the metrics of the labels
        (``labels``), and the fraction that the first stage decides (``early``). Each metric is an
        ``Estimate``.
    """
    return {
        part: _part(
            predictions.take(np.array([belongs(example) for example in predictions.examples]))
        )
        for part, belongs in PARTS.items()
    }


def _part(predictions: Predictions) -> dict[str, Any]:
    sides = {"ai": predictions.ai, "real": ~predictions.ai}
    return {
        "images": {truth: int(side.sum()) for truth, side in sides.items()},
        "sources": {
            truth: len(np.unique(predictions.source[side])) for truth, side in sides.items()
        },
        "models": {name: _measure(predictions, name) for name in predictions.probabilities},
        "labels": _labels(predictions),
        "early": estimate(metrics.mean(predictions.early, predictions.resampled_weights)),
    }


def _measure(predictions: Predictions, name: str) -> dict[str, Estimate]:
    """Evaluate one model. ``lead`` is the ensemble's AUC minus this model's, paired."""
    ai, probability, resampled_weights = (
        predictions.ai,
        predictions.probabilities[name],
        predictions.resampled_weights,
    )
    auc = metrics.auc(ai, probability, resampled_weights)
    measured = {
        "auc": auc,
        "tpr_at_95_tnr": metrics.tpr_at_tnr(ai, probability, resampled_weights),
        "balanced_accuracy": metrics.balanced_accuracy(ai, probability, resampled_weights),
        "ece": metrics.calibration_error(ai, probability, resampled_weights),
    }
    if name != ENSEMBLE:
        measured["lead"] = metrics.auc(ai, predictions.ensemble, resampled_weights) - auc
    return {measure: estimate(values) for measure, values in measured.items()}


def _labels(predictions: Predictions) -> dict[str, Any]:
    """Count the labels by truth, and compute coverage and accuracy of the decided labels."""
    ai, labels, resampled_weights = (
        predictions.ai,
        predictions.labels,
        predictions.resampled_weights,
    )
    decided = labels != Label.UNCERTAIN
    right = np.where(ai, labels == Label.AI, labels == Label.REAL)
    sides = (("ai", ai), ("real", ~ai))
    called = {
        f"{truth}_called_{label}": metrics.mean(labels[side] == label, resampled_weights[:, side])
        for truth, side in sides
        for label in (Label.AI, Label.REAL)
    }
    measured = {
        "coverage": metrics.mean(decided, resampled_weights),
        "selective_accuracy": metrics.mean(right[decided], resampled_weights[:, decided]),
        **called,
    }
    return {
        "counts": {
            truth: {str(label): int((side & (labels == label)).sum()) for label in Label}
            for truth, side in sides
        },
        **{measure: estimate(values) for measure, values in measured.items()},
    }


def reliability(predictions: Predictions) -> list[dict[str, float | int]]:
    """Return the ensemble's reliability diagram.

    Returns:
        For each bin with images: their mean probability (``probability``), the weighted fraction
        that is AI-made (``ai``), and their number (``images``).
    """
    found = metrics.reliability(predictions.ai, predictions.ensemble, predictions.sample_weight)
    return [
        {"probability": float(said), "ai": float(was), "images": int(images)}
        for said, was, images in zip(*found, strict=True)
    ]


def measure(split: packs.Split, paths: Paths, weights: Path, folder: Path) -> None:
    """Evaluate a split in every tier, run the audits, and write the results.

    Args:
        split: the split to read.
        paths: where the data and the cached scores are.
        weights: the folder of the exported members.
        folder: for the results, tables and plots.
    """
    folder.mkdir(parents=True, exist_ok=True)
    manifest = load_manifest(weights)
    tiers = {tier: predict(manifest, score(split, tier, paths, weights)) for tier in TIERS}
    originals = read_originals(split, paths.data)
    rows = [row for tier, each in tiers.items() for row in slices.cut(tier, each, originals)]
    slices.write(rows, folder / "slices.csv")
    slices.write(slices.mistakes(tiers["clean"]), folder / "mistakes.csv")
    plots.draw(tiers, folder)
    ensemble = Ensemble.load(weights)
    images = packs.load(split, paths.data, paths.cache)
    figures = {
        "version": manifest.version,
        "split": split,
        "tiers": {tier: evaluate(each) for tier, each in tiers.items()},
        "reliability": reliability(tiers["clean"].of_pack("modern")),
        "audits": {
            "invariance": audits.invariance(images, ensemble.classify),
            "metadata": audits.metadata(tiers["clean"].of_pack("modern"), originals),
        },
    }
    (folder / "metrics.json").write_text(json.dumps(_rounded(figures)) + "\n")


def _rounded(value: Any) -> Any:
    """Round every number in nested values to four digits. More would be noise."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(inner) for inner in value]
    return value


def main() -> None:
    """Parse the command line and evaluate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--report", type=Path, default=REPORT)
    parser.add_argument("--test", action="store_true", help="read the test split")
    add_arguments(parser)
    arguments = parser.parse_args()
    split: packs.Split = "test" if arguments.test else "val"
    measure(split, Paths.of(arguments), arguments.weights, arguments.report)


if __name__ == "__main__":
    main()
