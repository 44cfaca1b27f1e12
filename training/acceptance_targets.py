"""Acceptance targets for the ensemble, on the modern images of ``test``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Target:
    """The target for one metric.

    Args:
        group: ``models`` (the ensemble's) or ``labels``.
        measure: the metric's name in ``metrics.json``.
        title: its name in the report.
        limits: the target for each tier. Empty if there is none.
        most: whether the target is an upper limit.
    """

    group: str
    measure: str
    title: str
    limits: Mapping[str, float]
    most: bool = False

    def met(self, tier: str, value: float | None) -> bool | None:
        """Say whether a tier's value meets the target. An unknown value does not.

        Returns:
            None if the tier has no target.
        """
        limit = self.limits.get(tier)
        if limit is None:
            return None
        if value is None:
            return False
        return value <= limit if self.most else value >= limit

    def __str__(self) -> str:
        """Format the target, e.g. ``≥ 0.91 / 0.90 / 0.88``."""
        limits = list(self.limits.values())
        if not limits:
            return ""
        shown = limits if len(set(limits)) > 1 else limits[:1]
        return f"{'≤' if self.most else '≥'} {' / '.join(f'{limit:.2f}' for limit in shown)}"


def _everywhere(limit: float) -> dict[str, float]:
    return dict.fromkeys(("clean", "web", "hard"), limit)


TARGETS = (
    Target("models", "auc", "AUC", {}),
    Target("models", "tpr_at_95_tnr", "TPR at 95 % TNR", {}),
    Target(
        "labels",
        "real_called_ai",
        "real images labelled `ai` (1 − TNR)",
        _everywhere(0.04),
        most=True,
    ),
    Target("labels", "ai_called_ai", "AI images labelled `ai` (TPR)", _everywhere(0.55)),
    Target("labels", "coverage", "coverage (images with a decided label)", _everywhere(0.70)),
    Target("labels", "selective_accuracy", "accuracy of decided labels", _everywhere(0.91)),
    Target("models", "ece", "ECE", _everywhere(0.05), most=True),
    Target("models", "balanced_accuracy", "balanced accuracy at 0.5", {}),
    Target("labels", "ai_called_real", "AI images labelled `real`", {}),
    Target("labels", "real_called_real", "real images labelled `real`", {}),
)
"""In the order of the report's first table."""

FLIPS = 0.03
"""Largest fraction of re-encoded images whose label changes from ``ai`` to ``real`` or back."""

METADATA = 0.05
"""Largest fraction of the score variance within a label that metadata alone may explain (R²)."""

PEER = {"clean": 0.909, "web": 0.871, "hard": 0.856}
"""Balanced accuracy that the best open extension reports, on its own images."""


def values(part: Mapping[str, Any], target: Target) -> list[float | None]:
    """Return a metric from a part of ``metrics.json``: value, low, high."""
    group = part["models"]["ensemble"] if target.group == "models" else part["labels"]
    found: list[float | None] = group[target.measure]
    return found
