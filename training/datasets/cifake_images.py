"""CIFAKE: 32 × 32 photographs of CIFAR-10, and Stable Diffusion 1.4 images of the same classes.

Bird and Lotfi, arXiv:2303.14126. File names and numbers reveal the label, so they are not used.
Images are ordered by their SHA-256. A part of the train split, also chosen by SHA-256, is held out
for validation. So identical images are never on both sides.
"""

from __future__ import annotations

import csv
import hashlib
import io
import tarfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.progress import track

from models.views import Pixels

Split = Literal["train", "val", "test"]

SIDE = 32
HELD_OUT = 13
"""Train images are ``val`` if the first byte of their digest is below this: about 5,000."""


@dataclass(frozen=True)
class Images:
    """One split.

    Args:
        pixels: uint8 RGB, shape (images, 32, 32, 3).
        fake: whether each is AI-made, shape (images,).
    """

    pixels: Pixels
    fake: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.fake)

    def labels(self) -> NDArray[np.float32]:
        """Return 1 for AI, 0 for real, shape (images, 1)."""
        return self.fake.astype(np.float32)[:, None]


def load(split: Split, data: Path, cache: Path) -> Images:
    """Open a split, decoding its archive on first use.

    Args:
        split: ``test`` is the official one. ``train`` and ``val`` are the official train split
            without the images that are also in ``test``.
        data: the folder with ``cifake-{train,test}.tar.xz`` and ``cifake-duplicates.csv``.
        cache: the folder for decoded pixels. Remove it when the data changes.
    """
    path = cache / f"cifake-{split}.npz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        _decode(split, data, cache)
    with np.load(path) as arrays:
        return Images(arrays["pixels"], arrays["fake"])


def leaked(data: Path) -> set[bytes]:
    """Return the SHA-256 of every image that is in both official splits."""
    with (data / "cifake-duplicates.csv").open(newline="") as file:
        return {
            bytes.fromhex(row["sha256"])
            for row in csv.DictReader(file)
            if row["train"] and row["test"]
        }


def _decode(split: Split, data: Path, cache: Path) -> None:
    """Write the splits of one archive."""
    archive = data / f"cifake-{'test' if split == 'test' else 'train'}.tar.xz"
    skipped = set() if split == "test" else leaked(data)
    parts: dict[Split, list[tuple[bytes, bool, Pixels]]] = defaultdict(list)
    with tarfile.open(archive) as tar:
        for entry in track(tar, description=f"decoding {archive.name}"):
            file = tar.extractfile(entry)
            if file is None:  # A folder.
                continue
            encoded = file.read()
            digest = hashlib.sha256(encoded).digest()
            if digest in skipped:
                continue
            pixels = np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"))
            part = _part(digest) if split != "test" else split
            parts[part].append((digest, Path(entry.name).parent.name == "FAKE", pixels))
    for part, images in parts.items():
        images.sort(key=lambda image: image[0])
        unfinished = cache / "unfinished.npz"
        np.savez(
            unfinished,
            pixels=np.stack([pixels for _, _, pixels in images]),
            fake=np.array([fake for _, fake, _ in images]),
        )
        unfinished.rename(cache / f"cifake-{part}.npz")


def _part(digest: bytes) -> Split:
    """Return the split of an image of the official train split."""
    return "val" if digest[0] < HELD_OUT else "train"
