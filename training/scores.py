"""The exported members' logits on a split, in the tiers clean, web and hard."""

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

from models import networks
from models.manifest import MemberRecord, digest, load_manifest
from models.networks import Inference
from models.views import Pixels, prepare
from training.augment import recompress
from training.datasets import packs
from training.metrics import Floats
from training.paths import Paths


class Tier(NamedTuple):
    """A condition under which quality is measured.

    Args:
        long_side: largest long side in pixels. Larger images are reduced.
        quality: of the JPEG encoding.
    """

    long_side: int
    quality: int


TIERS: dict[str, Tier | None] = {"clean": None, "web": Tier(768, 60), "hard": Tier(512, 40)}


@dataclass(frozen=True)
class Scores:
    """The members' logits for a split in one tier.

    Args:
        examples: the images.
        logits: by member, shape (images,).
    """

    examples: list[packs.Example]
    logits: dict[str, Floats]

    @property
    def ai(self) -> NDArray[np.bool_]:
        """The truth."""
        return np.array([example.ai for example in self.examples])


def degrade(pixels: Pixels, tier: Tier | None) -> Pixels:
    """Reduce and recompress an image to a tier."""
    if tier is None:
        return pixels
    image = Image.fromarray(pixels)
    image.thumbnail((tier.long_side, tier.long_side), Image.Resampling.LANCZOS)
    return np.asarray(recompress(image, "JPEG", tier.quality))


def score(
    split: packs.Split,
    tier: str,
    paths: Paths,
    weights: Path,
    members: Collection[str] | None = None,
) -> Scores:
    """Run the exported members on a split. The logits are cached.

    Very large sources are limited, see ``packs.at_most``.

    Args:
        split: the split.
        tier: a name of ``TIERS``.
        paths: where the data and the cache are.
        weights: the folder of the exported members.
        members: the members to run. None: all.
    """
    images = packs.load(split, paths.data, paths.cache)
    chosen = packs.at_most(images.examples)
    manifest = load_manifest(weights)
    asked = [each for each in manifest.members if members is None or each.name in members]
    files = manifest.files_for("always") | manifest.files_for("never")
    kept = paths.runs / "scores"
    kept.mkdir(parents=True, exist_ok=True)

    def place(member: MemberRecord) -> Path:
        used = "".join(
            files[name].sha256 for name in (*member.networks, member.name) if name in files
        )
        return kept / f"{member.name}-{digest(used.encode())[:8]}-{split}-{tier}.npy"

    missing = [member for member in asked if not place(member).exists()]
    if missing:
        loaded = networks.load(weights, manifest, missing, threads=os.cpu_count() or 1)
        answers: dict[str, list[float]] = {member.name: [] for member in missing}
        for index in track(chosen, description=f"{split}, {tier}"):
            inference = Inference(prepare(degrade(images.pixels(index), TIERS[tier])), loaded)
            for name, found in answers.items():
                found.append(inference.logit(name))
        for member in missing:
            np.save(place(member), np.array(answers[member.name]))
    return Scores(
        [images.examples[index] for index in chosen],
        {member.name: np.load(place(member)) for member in asked},
    )
