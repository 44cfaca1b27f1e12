"""The exported members' logits on a split, as it is and as the web would have it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.progress import track

from models.ensemble import Ensemble
from models.manifest import load_manifest
from models.views import Pixels
from training.augment import recompress
from training.datasets import packs
from training.places import Places

Floats = NDArray[np.float64]


class Tier(NamedTuple):
    """A condition under which quality is measured.

    Args:
        long_side: pixels to which larger images are taken down.
        quality: of the JPEG that they are then saved as.
    """

    long_side: int
    quality: int


TIERS: dict[str, Tier | None] = {"clean": None, "web": Tier(768, 60), "hard": Tier(512, 40)}


@dataclass(frozen=True)
class Scores:
    """What the members said of a split in one tier.

    Args:
        examples: the images.
        logits: each member's logit for each of them.
    """

    examples: list[packs.Example]
    logits: dict[str, Floats]

    @property
    def ai(self) -> NDArray[np.bool_]:
        """The truth."""
        return np.array([example.ai for example in self.examples])


def degrade(pixels: Pixels, tier: Tier | None) -> Pixels:
    """Bring an image into a tier's condition."""
    if tier is None:
        return pixels
    image = Image.fromarray(pixels)
    image.thumbnail((tier.long_side, tier.long_side), Image.Resampling.LANCZOS)
    return np.asarray(recompress(image, "JPEG", tier.quality))


def score(split: packs.Split, tier: str, places: Places, weights: Path) -> Scores:
    """Judge every image of a split with the exported members; kept for the next time.

    Args:
        split: which images.
        tier: a name of ``TIERS``.
        places: where the data is.
        weights: the folder of the exported members.
    """
    images = packs.load(split, places.data, places.cache)
    members = load_manifest(weights).members
    made_by = "".join(member.sha256 + member.view for member in members)
    digest = hashlib.sha256(made_by.encode()).hexdigest()[:8]
    kept = places.runs / "scores" / f"{digest}-{split}-{tier}.npz"
    if not kept.exists():
        ensemble = Ensemble.load(weights)
        answers = [
            ensemble.logits(degrade(images.pixels(index), TIERS[tier]))
            for index in track(range(len(images)), description=f"judging {split}, {tier}")
        ]
        kept.parent.mkdir(parents=True, exist_ok=True)
        columns = {name: np.array([answer[name] for answer in answers]) for name in answers[0]}
        np.savez(kept, **columns)  # type: ignore[arg-type]  # Its stub forgets the arrays by name.
    with np.load(kept) as columns:
        return Scores(list(images.examples), {name: columns[name] for name in columns.files})
