"""Inspects each file once: decodes it and computes the measures for cleaning."""

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
from training.datasets.dataset_manifest import Row

THUMBNAIL = 16
"""Side of the thumbnail in pixels, which verifies near duplicates."""


@dataclass(frozen=True)
class Inspection:
    """The measures of a decoded image.

    Brightness is ITU-R BT.601 luma, 0 to 255. It is measured on the reduced image, with at most 288
    pixels on the short side. So the measures are comparable for small and large originals.

    Args:
        row: the file.
        sha256: of the file's bytes.
        size: pixels in the file, width times height.
        contrast: standard deviation of the brightness.
        sharpness: variance of the Laplacian of the brightness, a common measure of focus
            (Pech-Pacheco et al. 2000).
        phash: 64-bit perceptual hash, almost the same after re-encoding.
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
    """A file that cannot be decoded.

    Args:
        row: the file.
        code: the reason.
        detail: one sentence.
    """

    row: Row
    code: ErrorCode
    detail: str


def inspect_files(rows: Sequence[Row], min_side: int, title: str) -> list[Inspection | Unreadable]:
    """Inspect all files in order, on all cores, with a progress bar.

    Args:
        rows: the files.
        min_side: smallest side in pixels.
        title: of the progress bar.
    """
    with ThreadPoolExecutor() as pool:  # Pillow releases the GIL while it decodes and resizes.
        inspections = pool.map(partial(inspect_file, min_side=min_side), rows)
        return list(track(inspections, description=title, total=len(rows)))


def inspect_file(row: Row, min_side: int) -> Inspection | Unreadable:
    """Inspect one file."""
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
    return Inspection(
        row=row,
        sha256=hashlib.sha256(data).digest(),
        size=pixels.shape[0] * pixels.shape[1],
        contrast=float(grey.std()),
        sharpness=_sharpness(grey),
        phash=int(str(imagehash.phash(image)), 16),
        thumbnail=np.asarray(image.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)),
    )


def _sharpness(grey: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> float:
    """Return the variance of the Laplacian: four times a pixel minus its four neighbours."""
    inner = 4 * grey[1:-1, 1:-1]
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float((inner - around).var())
