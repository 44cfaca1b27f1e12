"""The bars that the ensemble is held to, on the modern images of ``test``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Bar:
    """What a measure must reach.

    Args:
        group: ``models``, of the ensemble, or ``labels``.
        measure: its name in ``metrics.json``.
        title: for people.
        limits: of each tier; none where nothing is asked.
        most: whether the measure may be at most so much, rather than at least.
    """

    group: str
    measure: str
    title: str
    limits: Mapping[str, float]
    most: bool = False

    def met(self, tier: str, value: float | None) -> bool | None:
        """Say whether a tier's value meets the bar; what is not known never does.

        Returns:
            None where nothing is asked of the tier.
        """
        limit = self.limits.get(tier)
        if limit is None:
            return None
        if value is None:
            return False
        return value <= limit if self.most else value >= limit

    def __str__(self) -> str:
        """Write what is asked, e.g. ``≥ 0.91 / 0.90 / 0.88``."""
        limits = list(self.limits.values())
        if not limits:
            return ""
        shown = limits if len(set(limits)) > 1 else limits[:1]
        return f"{'≤' if self.most else '≥'} {' / '.join(f'{limit:.2f}' for limit in shown)}"


def _everywhere(limit: float) -> dict[str, float]:
    return dict.fromkeys(("clean", "web", "hard"), limit)


BARS = (
    Bar("models", "auc", "AUC", {"clean": 0.91, "web": 0.90, "hard": 0.88}),
    Bar("models", "tpr_at_95_tnr", "TPR at 95 % TNR", _everywhere(0.70)),
    Bar(
        "labels",
        "real_called_ai",
        "real images called `ai` (1 − TNR)",
        _everywhere(0.04),
        most=True,
    ),
    Bar("labels", "selective_accuracy", "right of what is called", _everywhere(0.92)),
    Bar("labels", "coverage", "share that is called", _everywhere(0.60)),
    Bar("models", "ece", "ECE", _everywhere(0.05), most=True),
    Bar("models", "balanced_accuracy", "balanced accuracy at 0.5", {}),
    Bar("labels", "ai_called_ai", "AI images called `ai` (TPR)", {}),
    Bar("labels", "ai_called_real", "AI images called `real`", {}),
    Bar("labels", "real_called_real", "real images called `real`", {}),
)
"""In the order of the report's first table."""

FLIPS = 0.03
"""Share of the same images in other files whose label may turn from ``ai`` to ``real`` or back."""

METADATA = 0.05
"""Share of the variance of the scores within a label that metadata alone may explain."""

PEER = {"clean": 0.909, "web": 0.871, "hard": 0.856}
"""Balanced accuracy that the best open extension reports, on its own images: the aim."""


def values(part: Mapping[str, Any], bar: Bar) -> list[float | None]:
    """Find a measure in a part of ``metrics.json``: value, low, high."""
    group = part["models"]["ensemble"] if bar.group == "models" else part["labels"]
    found: list[float | None] = group[bar.measure]
    return found
