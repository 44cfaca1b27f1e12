"""Adds images of the same repositories to the modern pack.

The pack has at most twelve images of each repository and label. ``modern-sources.csv.gz`` lists all
that exist. Added images go through the pack's own pipeline, so they do not differ from the others.
``test`` is not changed.
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
from training.datasets.dataset_errors import LayoutError
from training.datasets.packs import PACKS

SPLITS = ("train", "val")
SHORT_SIDE = 240
LONGEST = 2
"""Largest aspect ratio. Longer images are cropped to their centre."""

QUALITIES = (72, 86)
"""Range of the WebP quality in the pack."""

MOST = 36
"""Largest number of added images per repository and label."""


class MissingError(Exception):
    """An original is missing. The message is the reason in a few words."""


def enlarge(clones: Path, data: Path, out: Path, most: int = MOST) -> Counter[str]:
    """Write copies of the packs, the modern one with more images.

    Args:
        clones: holds git repositories at ``OWNER/NAME``. Missing ones are skipped.
        data: the folder of the packs. Read only.
        out: the folder to write to. Use it as ``--data`` afterwards.
        most: largest number of added images per repository and label.

    Returns:
        The number of added images, and of missing ones by reason.

    Raises:
        LayoutError: ``data`` lacks the packs or the list of originals.
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
    rng = random.Random(0)  # noqa: S311  # Selects images and qualities.
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
        name, tar = f"{row['sha256'][:16]}.webp", PACKS["modern"].format(row["split"])
        _append(out / tar, name, image, rng.randint(*QUALITIES))
        pack.append({**_row(row, name, image), "tar": tar})
        taken[group] += 1
        counts["added"] += 1
    with (out / "modern.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, pack[0].keys(), extrasaction="ignore")
        writer.writeheader()
        writer.writerows(pack)
    return counts


def as_packed(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> Image.Image:
    """Crop a very long image to its centre, and reduce it to the size of the pack's images."""
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
    """Return a listed file of a repository.

    Raises:
        MissingError: it is missing or has other content.
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
    """Return the pack's row for an added image."""
    made = {f"original_{key}": original[key] for key in ("width", "height", "format", "sha256")}
    size = {"width": str(image.width), "height": str(image.height)}
    return {**original, **made, **size, "name": name, "view": "resized"}


def _read(path: Path) -> list[dict[str, str]]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", newline="") as file:
        return list(csv.DictReader(file))
