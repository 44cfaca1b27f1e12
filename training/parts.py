"""Fits the head of the map of parts: ``python -m training.parts``, after ``training.export``.

The head reads the patch tokens of the exported encoder. It is fitted to made images of ``train``:
in each, a part of one image is replaced by a part of another. Each of the two is AI-made or real,
in all four combinations, so a seam or a change of style says nothing. A patch is AI-made if its
centre is of an AI-made image. A killed run resumes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from models import networks
from models.explain import with_neighbours
from models.manifest import WEIGHTS, PartsRecord, digest, load_manifest
from models.networks import Floats, Inference
from models.views import Pixels, prepare
from training.composites import Composite, paste
from training.datasets import packs
from training.export import write
from training.features import save_array
from training.paths import Paths, add_arguments
from training.recipes import regress

NETWORK, MEMBER = "clip_lower", "clip_shallow"
"""Whose tokens the head reads, and the member that this network is loaded for."""
IMAGES = 3000
PATCHES = 40
"""Patches of each made image, drawn at random; neighbours resemble each other."""
SMALLEST, LARGEST = 0.2, 0.7
"""The part's width and height, as a share of the image's."""
LOWEST, HIGHEST = 70, 95
"""JPEG quality."""
STRENGTH = 0.001
"""Inverse regularisation strength. On ``val``, 0.01 and 0.1 were no better."""


class Maker:
    """Makes images of a split. Each source and label is as likely as any other.

    Args:
        images: of the split. Only modern ones are used.
    """

    def __init__(self, images: packs.Images) -> None:
        self._images = images
        self._modern = [i for i, each in enumerate(images.examples) if each.pack == "modern"]
        examples = [images.examples[i] for i in self._modern]
        weights = packs.weights(examples)
        self._chances = {}
        for ai in (False, True):
            chosen = weights * [example.ai is ai for example in examples]
            self._chances[ai] = chosen / chosen.sum()

    def make(self, number: int) -> tuple[Composite, bool, bool]:
        """Make one image.

        Args:
            number: decides the combination, and seeds the random choices.

        Returns:
            The image, whether it is AI-made, and whether the replaced part is.
        """
        rng = np.random.default_rng(number)
        into, part = bool(number & 1), bool(number & 2)
        composite = paste(
            self._draw(into, rng),
            self._draw(part, rng),
            rng.uniform(SMALLEST, LARGEST),
            int(rng.integers(LOWEST, HIGHEST + 1)),
            rng,
        )
        return composite, into, part

    def _draw(self, ai: bool, rng: np.random.Generator) -> Pixels:
        return self._images.pixels(rng.choice(self._modern, p=self._chances[ai]))


def read(maker: Maker, number: int, loaded: networks.Loaded) -> tuple[Floats, NDArray[np.bool_]]:
    """Return what the head reads of some patches of a made image, and whether they are AI-made."""
    composite, into, part = maker.make(number)
    tokens = Inference(prepare(composite.pixels), loaded).tokens(NETWORK)
    known = with_neighbours(tokens)
    inside = composite.inside_cells(round(len(known) ** 0.5)).ravel()
    some = np.random.default_rng(number).choice(len(known), PATCHES, replace=False)
    return known[some], np.where(inside, part, into)[some]


def gather(paths: Paths, weights: Path) -> Iterator[tuple[Floats, NDArray[np.bool_]]]:
    """Yield what `read` returns for each made image, and keep it in a file."""
    folder = paths.run("parts")
    folder.mkdir(parents=True, exist_ok=True)
    manifest = load_manifest(weights)
    members = [member for member in manifest.members if member.name == MEMBER]
    loaded = networks.load(weights, manifest, members)
    maker = Maker(packs.load("train", paths.data, paths.cache))
    for number in track(range(IMAGES), description="made images"):
        file = folder / f"{number}.npy"
        if not file.exists():
            known, ai = read(maker, number, loaded)
            save_array(file, np.column_stack([known, ai]).astype(np.float16))
        values = np.load(file).astype(np.float32)
        yield values[:, :-1], values[:, -1] > 0


def main() -> None:
    """Parse the command line, fit, and write the head and the manifest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="folder of the weights")
    add_arguments(parser)
    options = parser.parse_args()
    known, ai = zip(*gather(Paths.of(options), options.weights), strict=True)
    content = regress(np.concatenate(known), np.concatenate(ai), STRENGTH).to_bytes()
    record = PartsRecord(
        file="parts.npy",
        sha256=digest(content),
        network=NETWORK,
        training={"images": IMAGES, "patches": PATCHES, "strength": STRENGTH},
    )
    (options.weights / record.file).write_bytes(content)
    write(load_manifest(options.weights).model_copy(update={"parts": record}), options.weights)


if __name__ == "__main__":
    main()
