"""Where an image looks AI-made: each part of it, judged as if it were an image of its own.

The image is cut into overlapping windows of half its width and height. The ensemble classifies
each. A point of the map has the mean log-odds of the windows that cover it. This needs no gradient,
and works for every member alike. Judging windows alone is the idea of Chai et al., What makes fake
images detectable? (arXiv:2008.10588).

It finds a generated patch in a photograph better than occlusion (Zeiler and Fergus,
arXiv:1311.2901), but misses most; ``training/README.md`` has the figures. The map shows what parts
look like alone. It does not show what the ensemble looked at in the whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.views import Pixels, prepare

WINDOWS = 3
"""Windows along each side. They begin every quarter of the side, so the map has one cell more."""
CELLS = WINDOWS + 1
_SURE = 1e-6
"""Probabilities are kept this far from 0 and 1, where log-odds are infinite."""

PartMap = NDArray[np.float32]
"""Shape (``CELLS``, ``CELLS``), rows from the top: the probability that this part is AI-made, 0 to
1. It is calibrated for whole images, not for parts."""


def judge_parts(pixels: Pixels, probability: Callable[[Pixels], float]) -> PartMap:
    """Judge the parts of an image.

    Args:
        pixels: upright sRGB, shape (height, width, 3), uint8.
        probability: returns the probability that an image is AI-made. It is called
            ``WINDOWS`` × ``WINDOWS`` times.

    Raises:
        ValueError: the array has another shape or type.
    """
    image = prepare(pixels)
    total = np.zeros((CELLS, CELLS))
    count = np.zeros((CELLS, CELLS))
    for row, column in product(range(WINDOWS), repeat=2):
        cells = np.s_[row : row + 2, column : column + 2]
        total[cells] += _log_odds(probability(_window(image, row, column)))
        count[cells] += 1
    found: PartMap = (1 / (1 + np.exp(-total / count))).astype(np.float32)
    return found


def _window(image: Image.Image, row: int, column: int) -> Pixels:
    """Cut a window that covers 2 × 2 cells, from this cell on."""
    sides = (image.width, image.height)
    left, top = (at * side // CELLS for at, side in zip((column, row), sides, strict=True))
    right, bottom = (
        (at + 2) * side // CELLS for at, side in zip((column, row), sides, strict=True)
    )
    return np.asarray(image.crop((left, top, right, bottom)))


def _log_odds(probability: float) -> float:
    p = min(max(probability, _SURE), 1 - _SURE)
    return math.log(p / (1 - p))
