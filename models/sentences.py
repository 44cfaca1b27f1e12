"""What a verdict rests on, in plain English: what decided, how often it is wrong, what is unknown.

The error rates are counts of the test images (`models.quality`).
"""

from __future__ import annotations

from functools import cache

from models.quality import Part, Quality
from models.verdict import Label, Verdict

_NAMES = {Label.AI: "Likely AI", Label.UNCERTAIN: "Uncertain", Label.REAL: "No sign of AI"}
_MEMBERS = {
    "cnn": "small CNN",
    "efficientnet": "EfficientNet",
    "efficientnet_art": "EfficientNet for art",
    "clip_shallow": "CLIP, first layers",
    "clip": "CLIP, all layers",
}
DECISIONS = {
    "credentials": "Decided by Content Credentials of a trusted signer.",
    "marks": "Decided by a generator’s mark in the file, which the pixels do not contradict.",
}
"""What else than the pixels may set the label, in words that the extension has too."""
_KINDS = {"modern photo": "photographs", "modern art": "works of art"}
"""Kinds of today's test images, and their names."""


def sentences(verdict: Verdict) -> list[str]:
    """Return what a verdict rests on, one sentence or two in each string."""
    rate = error_rate(verdict) or "How often such a verdict is wrong has not been measured."
    return [_decision(verdict), rate, _not_examined(verdict)]


def _decision(verdict: Verdict) -> str:
    if found := DECISIONS.get(verdict.decided_by):
        return found
    asked = ", then ".join(_MEMBERS.get(name, name) for name in verdict.members)
    return f"The pixels decided. Models asked: {asked}."


def error_rate(verdict: Verdict) -> str | None:
    """Return how often such a verdict was wrong, or None if that has not been measured."""
    known = _quality()
    if verdict.decided_by in DECISIONS or not known or known.version != verdict.model_version:
        return None
    parts = [_counted(known.kinds[kind], name, verdict.label) for kind, name in _KINDS.items()]
    return (
        f"In our test, “{_NAMES[verdict.label]}” was given to {' and to '.join(parts)}. "
        "About half of the test images were AI-made; on other images it can be wrong more often."
    )


def _counted(part: Part, name: str, label: Label) -> str:
    ai, real = part.ai.counts[label], part.real.counts[label]
    truth = f"{real} real" if label is Label.AI else f"{ai} AI-made"
    return f"{ai + real} {name} ({truth})"


@cache
def _quality() -> Quality | None:
    return Quality.load()


def _not_examined(verdict: Verdict) -> str:
    missing = ["who made the image, what it shows and whether that is true"]
    if verdict.image.frames > 1:
        missing.append(f"the other {verdict.image.frames - 1} frames")
    return f"Not looked at: {', '.join(missing)}. How well retouching is found was not measured."
