"""Features of the frozen CLIP encoder, computed once per view and cached.

``python -m training.features`` computes all features for ``train`` and ``val``. The encoder costs a
hundred times as much as fitting a head, so every block that a head might use is stored. The file is
filled row by row, and a killed run resumes.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray
from rich.progress import track

from models.members import MEMBERS, clip
from models.runtime import THREADS, Runtime
from models.views import Pixels, prepare
from training.augment import augment
from training.clip_weights import fetch_file, load_clip, read_arrays
from training.convert import serialise, to_openvino
from training.datasets import packs
from training.paths import Paths, add_arguments
from training.scores import TIERS, degrade

VIEW = MEMBERS["clip"].view

DEPTHS = tuple(range(4, clip.BLOCKS + 1))
"""The stored blocks of the encoder, counted from 1."""

PER_DEPTH = 2 * clip.WIDTH
"""Features per block: the class token, then the mean of the patch tokens."""

WIDTH = len(DEPTHS) * PER_DEPTH

AUGMENTED = ("augmented-1", "augmented-2")
"""Additional conditions for modern images. Each is one draw of ``training.augment``."""

FITTED = ("clean", *AUGMENTED)
"""Conditions that heads are fitted to. The others are for evaluation."""

_ORDER = ("clean", "augmented-1", "web", "augmented-2", "hard")
"""The most useful conditions come first, so an unfinished run has whole ones."""


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
        values: shape (rows, width). ``load`` returns float16 of width ``WIDTH``, on disk.
    """

    examples: list[packs.Example]
    conditions: NDArray[np.str_]
    values: NDArray[np.float16] | NDArray[np.float32]

    def take(self, rows: NDArray[np.int64]) -> Features:
        """Return some of the rows."""
        return Features(
            [self.examples[row] for row in rows], self.conditions[rows], self.values[rows]
        )

    def of(self, conditions: Collection[str]) -> Features:
        """Return the rows of some conditions."""
        return self.take(np.flatnonzero(np.isin(self.conditions, list(conditions))))

    def at(self, depths: Sequence[int]) -> Features:
        """Return the features of some blocks, in memory, as float32.

        Args:
            depths: blocks of ``DEPTHS``, counted from 1. Each has ``PER_DEPTH`` features.
        """
        starts = [DEPTHS.index(depth) * PER_DEPTH for depth in depths]
        parts = [np.asarray(self.values[:, at : at + PER_DEPTH], np.float32) for at in starts]
        return replace(self, values=np.concatenate(parts, axis=1))


def rows(split: packs.Split, images: packs.Images) -> list[Row]:
    """List the views of a split, condition by condition.

    Modern images of ``train`` and ``val`` have every tier, for evaluation, and two augmentations,
    for fitting. Older images of ``train`` are clean only. They add sources, and more views of them
    would not help. In ``val`` and ``test``, older images have every tier.
    """
    listed = []
    for condition in _ORDER:
        for index in packs.at_most(images.examples):
            modern = images.examples[index].pack == "modern"
            left_out = condition in TIERS and (modern or split != "train")
            fitted = condition in FITTED and modern and split != "test"
            if left_out or fitted or condition == "clean":
                listed.append(Row(index, condition))
    return listed


def load(split: packs.Split, paths: Paths, conditions: Collection[str] | None = None) -> Features:
    """Return the features of a split, and compute those that are not cached.

    Args:
        split: the split.
        paths: where the data and the cached features are.
        conditions: of the views. None: all.
    """
    images = packs.load(split, paths.data, paths.cache)
    listed = rows(split, images)
    values, done = _open(paths.runs / "features", f"{split}-{_identity(images)}", len(listed))
    wanted = np.array([conditions is None or row.condition in conditions for row in listed])
    missing = np.flatnonzero(wanted & (done == 0))
    if len(missing):
        runtime = Runtime(*serialise(to_openvino(encoder(paths), VIEW.shape)), threads=THREADS)
        for at in track(missing, description=f"features of {split}"):
            pixels = condition(images.pixels(listed[at].index), listed[at])
            values[at] = runtime.answer(VIEW.serve(prepare(pixels)))[0]
            done[at] = 1
    all_rows = Features(
        examples=[images.examples[row.index] for row in listed],
        conditions=np.array([row.condition for row in listed]),
        values=values,
    )
    return all_rows if wanted.all() else all_rows.take(np.flatnonzero(wanted))


def condition(pixels: Pixels, row: Row) -> Pixels:
    """Apply a row's condition to an image. The augmentation is deterministic per row."""
    if row.condition in TIERS:
        return degrade(pixels, TIERS[row.condition])
    draw = AUGMENTED.index(row.condition) + 1
    return augment(pixels, np.random.default_rng([draw, row.index]))


def encoder(paths: Paths) -> keras.Model:
    """Build the full encoder with CLIP's weights: uint8 (n, 224, 224, 3) → (n, ``WIDTH``)."""
    given, depths = clip.encoder()
    seen = []
    for depth in DEPTHS:
        tokens = depths[depth - 1]
        seen += [tokens[:, 0], layers.GlobalAveragePooling1D(name=f"mean{depth}")(tokens[:, 1:])]
    model = keras.Model(given, layers.Concatenate(name="depths")(seen), name="features")
    load_clip(model, read_arrays(fetch_file(paths.run("clip"))))
    return model


def _identity(images: packs.Images) -> str:
    """Return a hash of everything that the features depend on: view, blocks and images."""
    names = [f"{example.pack}/{example.name}" for example in images.examples]
    return hashlib.sha256(f"{VIEW.name} {DEPTHS} {_ORDER} {names}".encode()).hexdigest()[:8]


def _open(folder: Path, name: str, count: int) -> tuple[NDArray[np.float16], NDArray[np.uint8]]:
    folder.mkdir(parents=True, exist_ok=True)
    files = folder / f"{name}.f16", folder / f"{name}.done"
    mode: Literal["r+", "w+"] = "r+" if all(file.exists() for file in files) else "w+"
    values: NDArray[np.float16] = np.memmap(files[0], "f2", mode, shape=(count, WIDTH))
    done: NDArray[np.uint8] = np.memmap(files[1], "u1", mode, shape=(count,))
    return values, done


def main() -> None:
    """Parse the command line and compute. The most useful conditions of both splits come first."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    paths = Paths.of(parser.parse_args())
    for each in _ORDER:
        for split in ("train", "val"):
            load(split, paths, {each})


if __name__ == "__main__":
    main()
