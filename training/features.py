"""What the frozen tower of CLIP sees in each image: computed once for each view, and kept.

A pass of the tower costs a hundred times what fitting its head does, so nothing is seen twice: the
file fills up row by row, and a run that was killed goes on.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import keras
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from models.members import MEMBERS, clip
from models.runtime import THREADS, Runtime
from models.views import Pixels, prepare
from training.augment import augment
from training.clip import pretrained
from training.convert import serialise, to_openvino
from training.datasets import packs
from training.places import Places
from training.scores import TIERS, degrade

VIEW = MEMBERS["clip"].view
WIDTH = len(clip.DEPTHS) * 2 * clip.WIDTH

AUGMENTED = ("augmented-1", "augmented-2")
"""Conditions of the training images beside ``clean``: each a draw of ``training.augment``."""


@dataclass(frozen=True)
class Row:
    """One view of one image.

    Args:
        index: of the image in its split.
        condition: a tier, or one of ``AUGMENTED``.
    """

    index: int
    condition: str


@dataclass(frozen=True)
class Features:
    """The features of a split's views.

    Args:
        examples: the image of each row.
        conditions: the condition of each row.
        values: shape (rows, ``WIDTH``), float32.
    """

    examples: list[packs.Example]
    conditions: NDArray[np.str_]
    values: NDArray[np.float32]

    def take(self, places: NDArray[np.int64]) -> Features:
        """Return some of the rows."""
        return Features(
            [self.examples[place] for place in places], self.conditions[places], self.values[places]
        )


def rows(split: packs.Split, images: packs.Images) -> list[Row]:
    """List the views of a split.

    Modern images to train on are seen clean and augmented twice, older ones once: they are there
    for their sources, not for their number. ``val`` and ``test`` are seen in every tier.
    """
    listed = []
    for index in packs.at_most(images.examples):
        modern = images.examples[index].pack == "modern"
        augmented = AUGMENTED if modern else ()
        conditions = ("clean", *augmented) if split == "train" else tuple(TIERS)
        listed += [Row(index, condition) for condition in conditions]
    return listed


def load(split: packs.Split, places: Places) -> Features:
    """Return the features of a split, computing those that are not kept yet.

    Args:
        split: which.
        places: where the data is, and where the features are kept.
    """
    images = packs.load(split, places.data, places.cache)
    listed = rows(split, images)
    values, done = _open(places.runs / "features", f"{split}-{_identity()}", len(listed))
    if not done.all():
        runtime = Runtime(*serialise(to_openvino(tower(places), VIEW.shape)), threads=THREADS)
        for at in track(np.flatnonzero(done == 0), description=f"features of {split}"):
            row = listed[at]
            pixels = condition(images.pixels(row.index), row)
            values[at] = runtime.answer(VIEW.serve(prepare(pixels)))[0]
            done[at] = 1
    return Features(
        examples=[images.examples[row.index] for row in listed],
        conditions=np.array([row.condition for row in listed]),
        values=np.asarray(values, np.float32),
    )


def condition(pixels: Pixels, row: Row) -> Pixels:
    """Bring an image into a row's condition; an augmentation depends on row and image alone."""
    if row.condition in TIERS:
        return degrade(pixels, TIERS[row.condition])
    draw = AUGMENTED.index(row.condition) + 1
    return augment(pixels, np.random.default_rng([draw, row.index]))


def tower(places: Places) -> keras.Model:
    """Build the tower with CLIP's weights, ending where the member's head begins."""
    member = pretrained(places.run("clip"))
    return keras.Model(member.input, member.get_layer("logit").input, name="features")


def _identity() -> str:
    """Name what the features depend on: the view and the depths."""
    return hashlib.sha256(f"{VIEW.name} {clip.DEPTHS}".encode()).hexdigest()[:8]


def _open(folder: Path, name: str, count: int) -> tuple[NDArray[np.float16], NDArray[np.uint8]]:
    folder.mkdir(parents=True, exist_ok=True)
    files = folder / f"{name}.f16", folder / f"{name}.done"
    mode: Literal["r+", "w+"] = "r+" if all(file.exists() for file in files) else "w+"
    values: NDArray[np.float16] = np.memmap(files[0], "f2", mode, shape=(count, WIDTH))
    done: NDArray[np.uint8] = np.memmap(files[1], "u1", mode, shape=(count,))
    return values, done
