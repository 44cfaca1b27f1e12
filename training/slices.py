"""Metrics by slice: generator, source, size and format. Also the worst mistakes."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.verdict import Label
from training import metrics
from training.bootstrap import estimate
from training.datasets.originals import Original
from training.datasets.packs import PACKS, Example
from training.predictions import Predictions

Row = dict[str, Any]
Originals = Mapping[tuple[str, str], Original]

SIZES = {
    "up to 640 px": 640,
    "up to 1024 px": 1024,
    "up to 2048 px": 2048,
    "above 2048 px": math.inf,
}
"""Size classes by the original's long side, each with its upper limit."""

WORST = 20
"""Number of listed mistakes per pack."""


def cut(tier: str, predictions: Predictions, originals: Originals) -> list[Row]:
    """Evaluate the ensemble on every slice of every pack.

    A slice has images of one label. Its AUC compares them with images of the other label: those of
    the same size or format, or all of the pack for a generator or source.
    """
    return [
        {"tier": tier, "pack": pack, "by": by, "value": value, "truth": truth} | measured
        for pack in PACKS
        for within in [predictions.of_pack(pack)]
        for by, values in _keys(within.examples, originals).items()
        for value in np.unique(values)
        for truth, side in (("ai", within.ai), ("real", ~within.ai))
        for inside in [side & (values == value)]
        if inside.any()
        for others in [~side & (values == value) if by in ("size", "format") else ~side]
        for measured in [_measure(within.take(inside), within.take(inside | others))]
    ]


def mistakes(predictions: Predictions) -> list[Row]:
    """List each pack's most confident mistakes, the worst first."""
    rows = []
    wrong = (predictions.ensemble >= 0.5) != predictions.ai
    for pack in PACKS:
        within = predictions.take(
            wrong & np.array([each.pack == pack for each in predictions.examples])
        )
        for index in np.argsort(-np.abs(within.ensemble - 0.5), kind="stable")[:WORST]:
            example = within.examples[index]
            rows.append(
                {
                    "pack": pack,
                    "truth": "ai" if example.ai else "real",
                    "label": str(within.labels[index]),
                    "probability": float(within.ensemble[index]),
                    "corpus": example.corpus,
                    "generator": example.generator,
                    "source": example.source,
                    "name": example.name,
                }
            )
    return rows


def write(rows: Sequence[Row], path: Path) -> None:
    """Write a CSV. Numbers are rounded to three digits. Undefined values stay empty.

    Without rows the file is empty.
    """
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys() if rows else (), lineterminator="\n")
        if rows:
            writer.writeheader()
        for row in rows:
            writer.writerow(
                {key: round(v, 3) if isinstance(v, float) else v for key, v in row.items()}
            )


def _keys(examples: Sequence[Example], originals: Originals) -> dict[str, NDArray[np.str_]]:
    """Return each image's slice, for each slicing."""
    known = [originals[example.pack, example.name] for example in examples]
    return {
        "generator": np.array([example.generator or "none named" for example in examples]),
        "source": np.array([example.source for example in examples]),
        "size": np.array([_size(max(each.width, each.height)) for each in known]),
        "format": np.array([each.format for each in known]),
    }


def _size(long_side: int) -> str:
    return next(name for name, largest in SIZES.items() if long_side <= largest)


def _measure(predictions: Predictions, against: Predictions) -> Row:
    calls = {str(label): predictions.labels == label for label in Label}
    row: Row = {"images": len(predictions.examples), "sources": len(np.unique(predictions.source))}
    row |= {label: int(called.sum()) for label, called in calls.items()}
    row["mean_probability"] = float(metrics.mean(predictions.ensemble, predictions.sample_weight))
    measured = {
        "auc": metrics.auc(against.ai, against.ensemble, against.resampled_weights)
        if against.ai.any() and not against.ai.all()
        else np.array([np.nan]),
        "called_ai": metrics.mean(calls["ai"], predictions.resampled_weights),
        "called_real": metrics.mean(calls["real"], predictions.resampled_weights),
    }
    for name, values in measured.items():
        row[name], row[f"{name}_low"], row[f"{name}_high"] = estimate(values)
    return row
