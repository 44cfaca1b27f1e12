"""Synthetic predictions: labels and scores are random, the rest of the code is real."""

from __future__ import annotations

import numpy as np

from models.manifest import Manifest, MemberRecord, NetworkRecord, Scale, Stage, Thresholds
from training.datasets.originals import Original
from training.datasets.packs import PACKS, Example
from training.predictions import Predictions, predict
from training.scores import Scores

NAMES = ("one", "another", "third")
STAGE = Stage(
    weights=dict.fromkeys(NAMES, 1.0), intercept=0, thresholds=Thresholds(real=0.2, ai=0.8)
)
MANIFEST = Manifest(
    released="2026-01-01",
    networks=tuple(
        NetworkRecord(name=name, file="none.xml", sha256="0" * 64, input="none") for name in NAMES
    ),
    members=tuple(
        MemberRecord(name=name, networks=(name,), calibration=Scale(slope=1, intercept=0))
        for name in NAMES
    ),
    light=STAGE,
    stages=(STAGE,),
)
"""Three members with equal weights."""

IMAGES = 4
"""Images per source."""


def examples(sources: int) -> list[Example]:
    """Return images of this number of sources for each pack, corpus and label."""
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


def predictions(strength: float, sources: int = 5) -> Predictions:
    """Predict with members whose logits differ by `strength` between labels, plus noise."""
    known = examples(sources)
    rng = np.random.default_rng(0)
    sides = np.array([1.0 if example.ai else -1.0 for example in known])
    logits = {
        member.name: strength / 2 * sides + rng.normal(size=len(known))
        for member in MANIFEST.members
    }
    return predict(MANIFEST, Scores(known, logits))


def originals(images: Predictions) -> dict[tuple[str, str], Original]:
    """Return originals whose format and size are independent of the labels."""
    rng = np.random.default_rng(1)
    return {
        (example.pack, example.name): Original(
            int(rng.integers(300, 3000)),
            int(rng.integers(300, 3000)),
            str(rng.choice(["JPEG", "PNG"])),
        )
        for example in images.examples
    }
