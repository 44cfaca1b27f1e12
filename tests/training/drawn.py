"""Judgements of images that do not exist: the truth and the scores are drawn, the rest is real."""

from __future__ import annotations

import numpy as np

from models.manifest import load_manifest
from training.datasets.facts import Facts
from training.datasets.packs import PACKS, Example
from training.judged import Judged, judge
from training.scores import Scores

IMAGES = 4
"""Of each source."""


def examples(sources: int) -> list[Example]:
    """Return images of so many sources for each pack, corpus and label."""
    return [
        Example(
            pack=pack,
            name=f"{pack}-{corpus}-{label}-{source}-{image}.webp",
            ai=label == "ai",
            corpus=corpus,
            source=f"{pack}/{corpus}-{label}-{source}",
            generator=f"generator {source % 2}" if label == "ai" else "",
        )
        for pack in PACKS
        for corpus in ("photo", "art")
        for label in ("ai", "real")
        for source in range(sources)
        for image in range(IMAGES)
    ]


def judged(strength: float, sources: int = 5) -> Judged:
    """Judge them with the shipped combination, by members whose logits are `strength` apart."""
    manifest, known = load_manifest(), examples(sources)
    rng = np.random.default_rng(0)
    sides = np.array([1.0 if example.ai else -1.0 for example in known])
    logits = {
        member.name: strength / 2 * sides + rng.normal(size=len(known))
        for member in manifest.members
    }
    return judge(manifest, Scores(known, logits))


def originals(images: Judged) -> dict[tuple[str, str], Facts]:
    """Tell of originals whose format and size have nothing to do with their labels."""
    rng = np.random.default_rng(1)
    return {
        (example.pack, example.name): Facts(
            int(rng.integers(300, 3000)),
            int(rng.integers(300, 3000)),
            str(rng.choice(["JPEG", "PNG"])),
        )
        for example in images.examples
    }
