"""Puts more images of the same repositories into the modern pack.

The pack holds at most twelve images of each repository and label; ``modern-sources.csv.gz`` lists
all that there are. What is added goes through the pack's own pipeline, so that nothing tells it
from the rest. ``test`` stays as it is.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import random
import shutil
import subprocess
import tarfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.progress import track

from models.errors import ImageError
from models.image import decode
from training.datasets.errors import LayoutError

SPLITS = ("train", "val")
SHORT_SIDE = 240
LONGEST = 2
"""Long side over short side beyond which an image is cut to its middle."""

QUALITIES = (72, 86)
"""Of the WebP that every image of the pack is."""

MOST = 36
"""Images of a repository and label that are added."""


class MissingError(Exception):
    """An original cannot be had; the message is a word or two."""


def enlarge(clones: Path, data: Path, out: Path, most: int = MOST) -> Counter[str]:
    """Write the packs again, the modern one with more images.

    Args:
        clones: holds git repositories at ``OWNER/NAME``; those that are not there add nothing.
        data: the folder of the packs. Read only.
        out: the folder to write to, which is then to be given as ``--data``.
        most: images of a repository and label that are added.

    Returns:
        How many images were added, and how many could not be, by why.

    Raises:
        LayoutError: ``data`` lacks the packs or the list of their originals.
    """
    try:
        pack = _read(data / "modern.csv")
        listed = _read(data / "modern-sources.csv.gz")
        out.mkdir(parents=True, exist_ok=True)
        for each in data.glob("images*"):
            shutil.copyfile(each, out / each.name)
    except OSError as error:
        raise LayoutError(f"The packs cannot be copied: {error}.") from error
    known = {row["original_sha256"] for row in pack}
    wanted = [row for row in listed if row["split"] in SPLITS and row["sha256"] not in known]
    rng = random.Random(0)  # noqa: S311  # Which of very many images, and at which quality.
    rng.shuffle(wanted)
    counts: Counter[str] = Counter()
    taken: Counter[tuple[str, str]] = Counter()
    for row in track(wanted, description="more images"):
        group = row["source"], row["label"]
        if taken[group] == most:
            continue
        try:
            image = as_packed(decode(_original(clones / row["source"], row)).pixels)
        except (MissingError, ImageError) as error:
            counts[str(error)] += 1
            continue
        name = f"{row['sha256'][:16]}.webp"
        _append(out / f"images-modern-{row['split']}.tar", name, image, rng.randint(*QUALITIES))
        pack.append(_row(row, name, image))
        taken[group] += 1
        counts["added"] += 1
    with (out / "modern.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, pack[0].keys(), extrasaction="ignore")
        writer.writeheader()
        writer.writerows(pack)
    return counts


def as_packed(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> Image.Image:
    """Cut an image to its middle if it is very long, and make it as small as the pack's are."""
    image = Image.fromarray(pixels)
    most = LONGEST * min(image.size)
    left, top = (max(0, side - most) // 2 for side in image.size)
    image = image.crop((left, top, image.width - left, image.height - top))
    scale = SHORT_SIDE / min(image.size)
    if scale >= 1:
        return image
    size = (round(image.width * scale), round(image.height * scale))
    return image.resize(size, Image.Resampling.LANCZOS)


def _original(clone: Path, row: Mapping[str, str]) -> bytes:
    """Return the listed file of a repository.

    Raises:
        MissingError: it is not there, or another.
    """
    if not clone.is_dir():
        raise MissingError("no clone")
    command = ["git", "-C", str(clone), "cat-file", "blob", f"HEAD:{row['source_path']}"]
    found = subprocess.run(command, capture_output=True, check=False)  # noqa: S603  # Fixed words.
    if found.returncode:
        raise MissingError("no such file")
    if hashlib.sha256(found.stdout).hexdigest() != row["sha256"]:
        raise MissingError("another file")
    return found.stdout


def _append(path: Path, name: str, image: Image.Image, quality: int) -> None:
    file = io.BytesIO()
    image.save(file, "WEBP", quality=quality)
    entry = tarfile.TarInfo(name)
    entry.size = len(file.getvalue())
    with tarfile.open(path, "a") as tar:
        tar.addfile(entry, io.BytesIO(file.getvalue()))


def _row(original: Mapping[str, str], name: str, image: Image.Image) -> dict[str, str]:
    """Tell of an added image in the pack's columns."""
    made = {f"original_{key}": original[key] for key in ("width", "height", "format", "sha256")}
    size = {"width": str(image.width), "height": str(image.height)}
    return {**original, **made, **size, "name": name, "view": "resized"}


def _read(path: Path) -> list[dict[str, str]]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", newline="") as file:
        return list(csv.DictReader(file))
