"""What a verdict rests on, in plain English: what decided, how often it is wrong, what is unknown.

The error rates are counts of the test images at the quality of the web, as
``training/report/metrics.json`` has them. ``python -m training.reliability`` copies them to
``weights/reliability.json``, which is shipped with the weights.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from pydantic import BaseModel, ConfigDict

from models.manifest import WEIGHTS
from models.verdict import Label, Verdict

RELIABILITY = WEIGHTS / "reliability.json"

_NAMES = {Label.AI: "Likely AI", Label.UNCERTAIN: "Uncertain", Label.REAL: "No sign of AI"}
_MEMBERS = {
    "cnn": "small CNN",
    "efficientnet": "EfficientNet",
    "efficientnet_art": "EfficientNet for art",
    "clip_shallow": "CLIP, first layers",
    "clip": "CLIP, all layers",
}
_PROVENANCE = {
    "credentials": "A trusted signature in the file decided, not the pixels.",
    "marks": "Unsigned marks of a generator in the file decided. The pixels do not deny it.",
}
"""What else than the pixels may set the label."""
_KINDS = {"photo": "photographs", "art": "works of art"}


class Reliability(BaseModel):
    """How many test images of each kind got each label.

    Args:
        version: the model version that was measured.
        counts: kind (``photo`` or ``art``) → truth (``ai`` or ``real``) → label → images.
    """

    model_config = ConfigDict(frozen=True)

    version: str
    counts: dict[str, dict[Literal["ai", "real"], dict[Label, int]]]


def sentences(verdict: Verdict) -> list[str]:
    """Return what a verdict rests on, one sentence or two in each string."""
    rate = error_rate(verdict) or "How often such a verdict is wrong has not been measured."
    return [_decision(verdict), rate, _not_examined(verdict)]


def _decision(verdict: Verdict) -> str:
    if found := _PROVENANCE.get(verdict.decided_by):
        return found
    asked = ", then ".join(_MEMBERS.get(name, name) for name in verdict.members)
    return f"The pixels decided. Models asked: {asked}."


def error_rate(verdict: Verdict) -> str | None:
    """Return how often such a verdict was wrong, or None if that has not been measured."""
    known = reliability()
    if verdict.decided_by in _PROVENANCE or known.version != verdict.model_version:
        return None
    parts = [_counted(kind, by_truth, verdict.label) for kind, by_truth in known.counts.items()]
    return (
        f"In our test, “{_NAMES[verdict.label]}” was given to {' and to '.join(parts)}. "
        "About half of the test images were AI-made; on other images it can be wrong more often."
    )


def _counted(
    kind: str, by_truth: dict[Literal["ai", "real"], dict[Label, int]], label: Label
) -> str:
    ai, real = by_truth["ai"].get(label, 0), by_truth["real"].get(label, 0)
    truth = f"{real} real" if label is Label.AI else f"{ai} AI-made"
    return f"{ai + real} {_KINDS.get(kind, kind)} ({truth})"


def _not_examined(verdict: Verdict) -> str:
    missing = ["who made the image, what it shows and whether that is true"]
    if verdict.image.frames > 1:
        missing.append(f"the other {verdict.image.frames - 1} frames")
    return f"Not looked at: {', '.join(missing)}. How well retouching is found was not measured."


@lru_cache(maxsize=1)
def reliability() -> Reliability:
    """Return the measured reliability of the shipped weights."""
    return Reliability.model_validate_json(RELIABILITY.read_bytes())
