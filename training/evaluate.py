"""Measures the exported members and the ensemble: ``python -m training.evaluate``.

Reads ``val``; reads ``test`` only when told to (``--test``), which is for the end, once. Writes
``metrics.json``, from which ``training.report`` makes the report.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.ensemble import combine
from models.manifest import WEIGHTS, Manifest, load_manifest
from models.verdict import Label
from training import metrics
from training.datasets import packs
from training.places import Places, add_arguments
from training.scores import TIERS, Floats, Scores, score

ENSEMBLE = "ensemble"
REPORT = Path(__file__).parent / "report"

PARTS: dict[str, Callable[[packs.Example], bool]] = {
    "modern": lambda example: example.pack == "modern",
    "modern photo": lambda example: example.pack == "modern" and example.corpus == "photo",
    "modern art": lambda example: example.pack == "modern" and example.corpus == "art",
    "older photo": lambda example: example.pack == "images" and example.corpus == "photo",
    "older art": lambda example: example.pack == "images" and example.corpus == "art",
}
"""What is measured apart; the modern pack resembles the web of today."""


def evaluate(manifest: Manifest, scores: Scores) -> dict[str, Any]:
    """Measure one split in one tier.

    Returns:
        ``parts``: for each of ``PARTS`` the measures of every member and the ensemble and the
        confusion of labels; ``sources``: for each source how its images were called.
    """
    judged = [
        combine(manifest, {name: float(values[i]) for name, values in scores.logits.items()})
        for i in range(len(scores.examples))
    ]
    probabilities = {
        name: np.array([judgement.members[name] for judgement in judged]) for name in scores.logits
    }
    probabilities[ENSEMBLE] = np.array([judgement.probability for judgement in judged])
    labels = np.array([judgement.label for judgement in judged])
    parts = {}
    for part, belongs in PARTS.items():
        inside = np.array([belongs(example) for example in scores.examples])
        chosen = [example for example in scores.examples if belongs(example)]
        ai, share = scores.ai[inside], packs.weights(chosen)
        parts[part] = {
            "images": {"ai": int(ai.sum()), "real": int((~ai).sum())},
            "models": {
                name: _measure(ai, values[inside], share) for name, values in probabilities.items()
            },
            "labels": _confusion(ai, labels[inside], share),
        }
    return {"parts": parts, "sources": _by_source(scores, labels, probabilities[ENSEMBLE])}


def _measure(ai: NDArray[np.bool_], probability: Floats, share: Floats) -> dict[str, Any]:
    return {
        "auc": metrics.auc(ai, probability, share),
        "tpr_at_95_tnr": metrics.tpr_at_tnr(ai, probability, share),
        "balanced_accuracy": metrics.balanced_accuracy(ai, probability, share),
        "ece": metrics.calibration_error(ai, probability, share),
        "reliability": metrics.reliability(ai, probability, share),
    }


def _confusion(ai: NDArray[np.bool_], labels: NDArray[Any], share: Floats) -> dict[str, Any]:
    """Count the labels of each truth, and say how far the two decided labels can be trusted."""
    decided = labels != Label.UNCERTAIN
    right = np.where(ai, labels == Label.AI, labels == Label.REAL)
    return {
        "counts": {
            truth: {str(label): int((side & (labels == label)).sum()) for label in Label}
            for truth, side in (("ai", ai), ("real", ~ai))
        },
        "coverage": float(share[decided].sum() / share.sum()),
        "selective_accuracy": (
            float(np.average(right[decided], weights=share[decided])) if decided.any() else None
        ),
        "ai_called_ai": float(np.average(labels[ai] == Label.AI, weights=share[ai])),
        "ai_called_real": float(np.average(labels[ai] == Label.REAL, weights=share[ai])),
        "real_called_ai": float(np.average(labels[~ai] == Label.AI, weights=share[~ai])),
        "real_called_real": float(np.average(labels[~ai] == Label.REAL, weights=share[~ai])),
    }


def _by_source(scores: Scores, labels: NDArray[Any], probability: Floats) -> list[dict[str, Any]]:
    rows: dict[tuple[str, str, bool], list[int]] = {}
    for index, example in enumerate(scores.examples):
        rows.setdefault((example.pack, example.source, example.ai), []).append(index)
    return [
        {
            "pack": pack,
            "source": source,
            "truth": "ai" if ai else "real",
            "images": len(indices),
            "mean_probability": float(probability[indices].mean()),
            **{str(label): int((labels[indices] == label).sum()) for label in Label},
        }
        for (pack, source, ai), indices in sorted(rows.items())
    ]


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--report", type=Path, default=REPORT)
    parser.add_argument("--test", action="store_true", help="read the test split, too")
    add_arguments(parser)
    arguments = parser.parse_args()
    manifest = load_manifest(arguments.weights)
    splits: list[packs.Split] = ["val", "test"] if arguments.test else ["val"]
    measured = {
        split: {
            tier: evaluate(manifest, score(split, tier, Places.of(arguments), arguments.weights))
            for tier in TIERS
        }
        for split in splits
    }
    arguments.report.mkdir(parents=True, exist_ok=True)
    figures = {"version": manifest.version, "splits": measured}
    (arguments.report / "metrics.json").write_text(json.dumps(_rounded(figures)) + "\n")
    for split, tiers in measured.items():
        for tier, result in tiers.items():
            row = result["parts"]["modern"]["models"]
            aucs = "  ".join(f"{name} {row[name]['auc']:.3f}" for name in row)
            print(f"{split} {tier}, modern, AUC:  {aucs}")


def _rounded(value: Any) -> Any:
    """Round every number, deep inside, to what the sample sizes can bear."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(inner) for inner in value]
    return value


if __name__ == "__main__":
    main()
