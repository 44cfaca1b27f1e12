"""The exported members' logits on a split, as it is and as the web would have it."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.progress import track

from models.ensemble import load_member
from models.manifest import load_manifest
from models.views import Pixels, prepare
from training.augment import recompress
from training.datasets import packs
from training.metrics import Floats
from training.places import Places


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


def score(
    split: packs.Split,
    tier: str,
    places: Places,
    weights: Path,
    members: Collection[str] | None = None,
) -> Scores:
    """Judge a split with the exported members; each one's answers are kept for the next time.

    Of sources with very many images some are left out, see ``packs.at_most``.

    Args:
        split: which images.
        tier: a name of ``TIERS``.
        places: where the data is.
        weights: the folder of the exported members.
        members: those that are asked; all when left out.
    """
    images = packs.load(split, places.data, places.cache)
    chosen = packs.at_most(images.examples)
    kept = places.runs / "scores"
    kept.mkdir(parents=True, exist_ok=True)
    logits = {}
    for record in load_manifest(weights).members:
        if members is not None and record.name not in members:
            continue
        file = kept / f"{record.name}-{record.sha256[:8]}-{split}-{tier}.npy"
        if not file.exists():
            view, runtime = load_member(weights, record, threads=os.cpu_count() or 1)
            judging = track(chosen, description=f"{record.name} judges {split}, {tier}")
            degraded = (degrade(images.pixels(index), TIERS[tier]) for index in judging)
            answers = [runtime.logit(view.serve(prepare(pixels))) for pixels in degraded]
            np.save(file, np.array(answers))
        logits[record.name] = np.load(file)
    return Scores([images.examples[index] for index in chosen], logits)
