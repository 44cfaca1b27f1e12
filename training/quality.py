"""The figures that the console shows: a selection from the results of ``training.evaluate``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from models.quality import Bin, Part, Quality, Side, Source
from models.verdict import Label
from training.predictions import ENSEMBLE

_TODAY = "modern"

Truth = Literal["ai", "real"]


def select(figures: Mapping[str, Any], slices: Sequence[Mapping[str, str]]) -> Quality:
    """Select what the console shows.

    Args:
        figures: the content of ``metrics.json``.
        slices: the rows of ``slices.csv``.
    """
    tiers = figures["tiers"]
    clean = tiers["clean"]
    members = clean[_TODAY]["models"]
    return Quality(
        version=figures["version"],
        tiers={tier: _part(parts[_TODAY]) for tier, parts in tiers.items()},
        kinds={
            kind: _part(part)
            for kind, part in clean.items()
            if kind != _TODAY and all(part["images"].values())
        },
        members={name: measured["auc"][0] for name, measured in members.items() if _is_one(name)},
        reliability=[Bin(**each) for each in figures["reliability"]],
        sources=sorted(
            (
                _source(row)
                for row in slices
                if (row["tier"], row["pack"], row["by"]) == ("clean", _TODAY, "source")
            ),
            key=lambda source: (source.truth, source.counts[Label(source.truth)] / source.images),
        ),
    )


def _is_one(model: str) -> bool:
    return model != ENSEMBLE and " " not in model


def _part(part: Mapping[str, Any]) -> Part:
    labels = part["labels"]
    return Part(
        ai=_side(part, "ai"),
        real=_side(part, "real"),
        auc=part["models"][ENSEMBLE]["auc"][0],
        decided=labels["coverage"][0],
        right=labels["selective_accuracy"][0],
    )


def _side(part: Mapping[str, Any], truth: Truth) -> Side:
    labels = part["labels"]
    ai, real = (labels[f"{truth}_called_{label}"][0] for label in ("ai", "real"))
    return Side(
        images=part["images"][truth],
        sources=part["sources"][truth],
        counts=labels["counts"][truth],
        shares={Label.AI: ai, Label.UNCERTAIN: round(1 - ai - real, 4), Label.REAL: real},
    )


def _source(row: Mapping[str, str]) -> Source:
    truth: Truth = "ai" if row["truth"] == "ai" else "real"
    counts = {label: int(row[str(label)]) for label in Label}
    return Source(name=row["value"], truth=truth, counts=counts)
