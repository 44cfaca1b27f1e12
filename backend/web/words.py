"""The words of a verdict. The extension has the same, so that a label has one name everywhere."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from models.sentences import DECISIONS
from models.verdict import CheckItem

WORDS: dict[str, Any] = {
    **json.loads(Path(__file__).with_name("words.json").read_text("utf-8")),
    "decisions": DECISIONS,
}
"""Also embedded in the pages, whose scripts read it."""

_STATES = {"pending": "checking", "failed": "unavailable"}


def state_of(item: CheckItem) -> str:
    """Return what a result shows: the label, ``checking`` or ``unavailable``."""
    return item.verdict.label.value if item.verdict else _STATES[item.status]


def title_of(item: CheckItem) -> str:
    """Return the verdict in a few words. If it is uncertain, they say which way it leans."""
    state = state_of(item)
    leaning = WORDS["leans"].get(item.verdict.lean) if item.verdict else None
    return str(leaning if leaning and state == "uncertain" else WORDS["states"][state])


def meaning_of(item: CheckItem) -> str:
    """Return what the verdict means: what decided it, if it was not the pixels."""
    verdict = item.verdict
    decision = WORDS["decisions"].get(verdict.decided_by) if verdict else None
    if verdict is None or decision is None:
        return str(WORDS["meanings"][state_of(item)])
    if verdict.pixels is None:
        return str(decision)
    return f"{decision} {WORDS['pixels_alone']} {WORDS['states'][verdict.pixels]}."


def percent(probability: float) -> str:
    """Return a probability in per cent; never 0% or 100%, because no verdict is certain."""
    if probability < 0.01:
        return "< 1%"
    return "> 99%" if probability > 0.99 else f"{probability:.0%}"


def share(part: float) -> str:
    """Return a measured part of a whole in per cent; small ones with one decimal."""
    return f"{part:.1%}" if 0 < part < 0.01 else f"{part:.0%}"


def moment(time: datetime) -> str:
    """Return a time for people, in UTC."""
    return f"{time.astimezone(UTC):%-d %b %Y, %H:%M} UTC"
