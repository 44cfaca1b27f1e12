"""Looks at each file once: can it be read, and what do the measures of cleaning say of it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import imagehash
import numpy as np
from PIL import Image
from rich.progress import track

from models.errors import ErrorCode, ImageError
from models.image import decode
from models.views import Pixels, prepare
from training.datasets.manifest import Row

THUMBNAIL = 16
"""Pixels a side of the copy that tells a near duplicate from a chance hit of the hash."""


@dataclass(frozen=True)
class Look:
    """What was measured of an image that could be read.

    Brightness is ITU-R BT.601 luma, 0 to 255, of the image as the members see it: at most 288
    pixels on the short side, so that a measure means the same for small and large originals.

    Args:
        row: what is said of the file.
        sha256: of the file's bytes.
        size: pixels in the file, width times height.
        contrast: standard deviation of the brightness.
        sharpness: variance of the brightness' Laplacian, the usual measure of focus (Pech-Pacheco
            et al. 2000).
        phash: 64 bits of the image's coarse structure, nearly the same after re-encoding.
        thumbnail: uint8 of shape (16, 16, 3).
    """

    row: Row
    sha256: bytes
    size: int
    contrast: float
    sharpness: float
    phash: int
    thumbnail: Pixels


@dataclass(frozen=True)
class Unreadable:
    """A file that gives no image.

    Args:
        row: what is said of the file.
        code: why.
        detail: one sentence.
    """

    row: Row
    code: ErrorCode
    detail: str


def look_at(rows: Sequence[Row], min_side: int, title: str) -> list[Look | Unreadable]:
    """Look at every file, in order, on all cores, behind a progress bar.

    Args:
        rows: which files.
        min_side: pixels a side below which an image counts as too small.
        title: of the progress bar.
    """
    with ThreadPoolExecutor() as pool:  # Pillow decodes and resizes outside the interpreter's lock.
        looks = pool.map(partial(look, min_side=min_side), rows)
        return list(track(looks, description=title, total=len(rows)))


def look(row: Row, min_side: int) -> Look | Unreadable:
    """Look at one file."""
    try:
        data = row.path.read_bytes()
    except OSError as error:
        return Unreadable(row, ErrorCode.NOT_AN_IMAGE, f"It cannot be read: {error.strerror}.")
    try:
        pixels = decode(data, min_side).pixels
    except ImageError as error:
        return Unreadable(row, error.code, error.detail)
    image = prepare(pixels)
    grey = np.asarray(image.convert("L"), np.float32)
    return Look(
        row=row,
        sha256=hashlib.sha256(data).digest(),
        size=pixels.shape[0] * pixels.shape[1],
        contrast=float(grey.std()),
        sharpness=_sharpness(grey),
        phash=int(str(imagehash.phash(image)), 16),
        thumbnail=np.asarray(image.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)),
    )


def _sharpness(grey: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> float:
    """Take the Laplacian of each inner pixel: four times it, less its four neighbours."""
    inner = 4 * grey[1:-1, 1:-1]
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float((inner - around).var())
