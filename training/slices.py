"""Where the ensemble is good and where it fails: by generator, source, size and format."""

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
from training.datasets.facts import Facts
from training.datasets.packs import PACKS, Example
from training.judged import Judged

Row = dict[str, Any]
Originals = Mapping[tuple[str, str], Facts]

SIZES = {
    "up to 640 px": 640,
    "up to 1024 px": 1024,
    "up to 2048 px": 2048,
    "above 2048 px": math.inf,
}
"""The classes of an original's long side, and the largest of each."""

WORST = 20
"""How many mistakes of a pack are listed."""


def cut(tier: str, judged: Judged, originals: Originals) -> list[Row]:
    """Measure the ensemble on every slice of every pack.

    A slice holds images of one truth. Its AUC sets them against the other label's images of the
    same size or format, and against all of the pack's where they are one generator's or source's.
    """
    return [
        {"tier": tier, "pack": pack, "by": by, "value": value, "truth": truth} | measured
        for pack in PACKS
        for within in [judged.of_pack(pack)]
        for by, values in _keys(within.examples, originals).items()
        for value in np.unique(values)
        for truth, side in (("ai", within.ai), ("real", ~within.ai))
        for inside in [side & (values == value)]
        if inside.any()
        for others in [~side & (values == value) if by in ("size", "format") else ~side]
        for measured in [_measure(within.take(inside), within.take(inside | others))]
    ]


def mistakes(judged: Judged) -> list[Row]:
    """List each pack's surest mistakes, the worst first: names and origins, never the images."""
    rows = []
    wrong = (judged.ensemble >= 0.5) != judged.ai
    for pack in PACKS:
        within = judged.take(wrong & np.array([each.pack == pack for each in judged.examples]))
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
    """Write a table; numbers are rounded to three places, what is not known stays empty."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow(
                {key: round(v, 3) if isinstance(v, float) else v for key, v in row.items()}
            )


def _keys(examples: Sequence[Example], originals: Originals) -> dict[str, NDArray[np.str_]]:
    """Name for each image the slice that it lies in, in each way of slicing."""
    known = [originals[example.pack, example.name] for example in examples]
    return {
        "generator": np.array([example.generator or "none named" for example in examples]),
        "source": np.array([example.source for example in examples]),
        "size": np.array([_size(max(each.width, each.height)) for each in known]),
        "format": np.array([each.format for each in known]),
    }


def _size(long_side: int) -> str:
    return next(name for name, largest in SIZES.items() if long_side <= largest)


def _measure(judged: Judged, against: Judged) -> Row:
    calls = {str(label): judged.labels == label for label in Label}
    row: Row = {"images": len(judged.examples), "sources": len(np.unique(judged.source))}
    row |= {label: int(called.sum()) for label, called in calls.items()}
    row["mean_probability"] = float(metrics.mean(judged.ensemble, judged.share))
    measured = {
        "auc": metrics.auc(against.ai, against.ensemble, against.shares)
        if against.ai.any() and not against.ai.all()
        else np.array([np.nan]),
        "called_ai": metrics.mean(calls["ai"], judged.shares),
        "called_real": metrics.mean(calls["real"], judged.shares),
    }
    for name, values in measured.items():
        row[name], row[f"{name}_low"], row[f"{name}_high"] = estimate(values)
    return row
