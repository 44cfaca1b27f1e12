"""Measures the perceptual hash: ``python -m training.similarity``.

It counts how often unrelated images of the pack ``modern`` count as similar, and how often copies
of an image do, by the distance that is allowed. Images of one source are not compared: some sources
repeat a picture. It writes a table into the report. ``test`` is not read.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.progress import track

from models.similarity import SIMILAR, perceptual_hash
from training.augment import recompress
from training.datasets import packs
from training.evaluate import REPORT
from training.markdown import table
from training.paths import Paths, add_arguments

SMALLER = 0.6
"""Size of a web copy. The images of the pack have 240 px on the short side."""

_BITS = 64

Hashes = NDArray[np.uint64]
Copy = Callable[[Image.Image], Image.Image]


def _smaller(image: Image.Image) -> Image.Image:
    size = round(image.width * SMALLER), round(image.height * SMALLER)
    return recompress(image.resize(size, Image.Resampling.LANCZOS), "JPEG", 60)


def _cropped(image: Image.Image, *, sides: float = 0, bottom: float = 0) -> Image.Image:
    x, y = round(image.width * sides), round(image.height * sides)
    below = round(image.height * (1 - bottom)) - y
    return _smaller(image.crop((x, y, image.width - x, below)))


COPIES: dict[str, Copy] = {
    "smaller, JPEG q60": _smaller,
    "… and 1 % cut off at each side": partial(_cropped, sides=0.01),
    "… and 2 % cut off at each side": partial(_cropped, sides=0.02),
    "… and 5 % cut off at the bottom": partial(_cropped, bottom=0.05),
}
"""How images are copied on the web."""


def unrelated_distances(hashes: Hashes, sources: Sequence[str]) -> NDArray[np.int64]:
    """Count the pairs of images of different sources by the distance of their hashes, 0 to 64."""
    of = np.unique(np.array(sources), return_inverse=True)[1]
    counts = np.zeros(_BITS + 1, np.int64)
    for place in range(len(hashes)):
        others = of[place + 1 :] != of[place]
        distances = np.bitwise_count(hashes[place + 1 :][others] ^ hashes[place])
        counts += np.bincount(distances, minlength=_BITS + 1)
    return counts


def copy_distances(image: Image.Image, image_hash: int) -> list[int]:
    """Return the distance of each kind of copy. A copy without a hash is as far as can be."""
    copies = [perceptual_hash(np.asarray(copy(image))) for copy in COPIES.values()]
    return [_BITS if copy is None else (copy ^ image_hash).bit_count() for copy in copies]


def report(unrelated: NDArray[np.int64], copies: NDArray[np.int64]) -> str:
    """Write the table.

    Args:
        unrelated: pairs of unrelated images by distance, shape (65,).
        copies: distances of copies, shape (images, kinds of copies).
    """
    rows = []
    for distance in range(0, SIMILAR + 5, 2):
        rate = unrelated[: distance + 1].sum() / unrelated.sum()
        shares = (copies <= distance).mean(axis=0)
        mark = "**" if distance == SIMILAR else ""
        found = [f"{share:.1%}" for share in shares]
        rows.append([f"{mark}{distance}{mark}", f"{rate:.1e}", *found])
    titles = ["distance up to", "unrelated pairs", *COPIES]
    head = _HEAD.format(images=len(copies), pairs=unrelated.sum(), similar=SIMILAR)
    return head + table(titles, rows)


_HEAD = """\
# Similar images

`python -m training.similarity`: {images:,} modern images of `train` and `val`, and {pairs:,} pairs
of images of different sources. Images count as similar if at most {similar} of 64 bits differ. The
copies are made from images with 240 px on the short side, which are reduced to 60 %. Distances are
even, because half of the bits of each hash are 1.

"""


def main() -> None:
    """Parse the command line, hash all images, and write ``similar.md``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--report", type=Path, default=REPORT, help="folder for the table")
    add_arguments(parser)
    arguments = parser.parse_args()
    paths = Paths.of(arguments)
    hashes, sources, copies = [], [], []
    for split in ("train", "val"):
        images = packs.load(split, paths.data, paths.cache)
        for index in track(range(len(images)), description=f"hashing {split}"):
            example = images.examples[index]
            image_hash = perceptual_hash(images.pixels(index))
            if example.pack == "modern" and image_hash is not None:
                hashes.append(image_hash)
                sources.append(example.source)
                copies.append(copy_distances(Image.fromarray(images.pixels(index)), image_hash))
    unrelated = unrelated_distances(np.array(hashes, np.uint64), sources)
    (arguments.report / "similar.md").write_text(report(unrelated, np.array(copies)))


if __name__ == "__main__":
    main()
