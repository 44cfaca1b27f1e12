"""Features of the frozen CLIP encoder, computed once per view and cached.

``python -m training.features`` computes all features for ``train`` and ``val``. The encoder costs a
hundred times as much as fitting a head, so every block that a head might use is stored. Each view
has a file of its own. So a killed run resumes, and added images cost only their own time.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from models.members import clip
from models.runtime import THREADS, Runtime
from models.views import WHOLE, prepare
from training.clip_weights import fetch_file, load_clip, read_arrays
from training.convert import serialise, to_openvino
from training.datasets import packs
from training.paths import Paths, add_arguments
from training.scores import TIERS, degrade

VIEW = WHOLE

DEPTHS = tuple(range(4, clip.BLOCKS + 1))
"""The stored blocks of the encoder, counted from 1."""

PER_DEPTH = 2 * clip.WIDTH
"""Features per block: the class token, then the mean of the patch tokens."""

WIDTH = len(DEPTHS) * PER_DEPTH

MOST = 8
"""Largest number of images per source and label that are also stored recompressed."""


@dataclass(frozen=True)
class Row:
    """One view of one image.

    Args:
        index: of the image in its split.
        tier: see ``training.scores``.
    """

    index: int
    tier: str


@dataclass(frozen=True)
class Features:
    """The features of a split's views.

    Args:
        examples: the image of each row.
        tiers: the tier of each row.
        values: shape (rows, width). ``load`` returns float16 of width ``WIDTH``.
    """

    examples: list[packs.Example]
    tiers: NDArray[np.str_]
    values: NDArray[np.float16] | NDArray[np.float32]

    def take(self, rows: NDArray[np.int64]) -> Features:
        """Return some of the rows."""
        return Features([self.examples[row] for row in rows], self.tiers[rows], self.values[rows])

    def without_values(self) -> Features:
        """Return the rows without their features, which take much memory."""
        return replace(self, values=np.empty((len(self.examples), 0), np.float32))

    def at(self, depths: Sequence[int]) -> Features:
        """Return the features of some blocks, in memory, as float32.

        Args:
            depths: blocks of ``DEPTHS``, counted from 1. Each has ``PER_DEPTH`` features.
        """
        starts = [DEPTHS.index(depth) * PER_DEPTH for depth in depths]
        parts = [np.asarray(self.values[:, at : at + PER_DEPTH], np.float32) for at in starts]
        return replace(self, values=np.concatenate(parts, axis=1))


def rows(images: packs.Images) -> list[Row]:
    """List the views of a split, tier by tier. The most useful ones come first.

    All images are stored clean, and some modern ones in the other tiers. Older images add sources,
    and more views of them would not help.
    """
    examples = images.examples
    some = [i for i in packs.at_most(examples, MOST) if examples[i].pack == "modern"]
    return [
        Row(index, tier)
        for tier in TIERS
        for index in (packs.at_most(examples) if tier == "clean" else some)
    ]


def load(split: packs.Split, paths: Paths) -> Features:
    """Return the features of a split, and compute those that are not cached.

    Args:
        split: the split.
        paths: where the data and the cached features are.
    """
    images = packs.load(split, paths.data, paths.cache)
    listed = rows(images)
    examples = [images.examples[row.index] for row in listed]
    folder = paths.runs / "features"
    files = [
        folder / row.tier / f"{example.pack}-{Path(example.name).name}.npy"
        for row, example in zip(listed, examples, strict=True)
    ]
    missing = [at for at, file in enumerate(files) if not file.exists()]
    if missing:
        for tier in TIERS:
            (folder / tier).mkdir(parents=True, exist_ok=True)
        runtime = Runtime(*serialise(to_openvino(encoder(paths))), threads=THREADS)
        for at in track(missing, description=f"features of {split}"):
            row = listed[at]
            pixels = degrade(images.pixels(row.index), TIERS[row.tier])
            save_array(files[at], runtime.run(VIEW.serve(prepare(pixels)))[0][0].astype(np.float16))
    values = np.empty((len(files), WIDTH), np.float16)
    for at, file in enumerate(files):
        values[at] = np.load(file)
    return Features(examples, np.array([row.tier for row in listed]), values)


def encoder(paths: Paths) -> keras.Model:
    """Build the full encoder with CLIP's weights: uint8 (n, 224, 224, 3) → (n, ``WIDTH``)."""
    given, depths = clip.encoder()
    tokens = {depth: depths[depth - 1] for depth in DEPTHS}
    model = keras.Model(given, clip.features(tokens), name="encoder")
    load_clip(model, read_arrays(fetch_file(paths.run("clip"))))
    return model


def save_array(file: Path, values: NDArray[Any]) -> None:
    """Write to a temporary file, then rename it. A killed run leaves no half file."""
    unfinished = file.with_suffix(".unfinished")
    with unfinished.open("wb") as out:
        np.save(out, values)
    unfinished.rename(file)


def main() -> None:
    """Parse the command line and compute."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    paths = Paths.of(parser.parse_args())
    for split in ("train", "val"):
        load(split, paths)


if __name__ == "__main__":
    main()
