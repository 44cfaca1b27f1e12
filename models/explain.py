"""Where an image looks AI-made: a map of its parts. ``Ensemble.map_parts`` draws one of two kinds.

With CLIP, each patch of its view is judged by what the encoder knows about it after block 8, the
block where ``clip_shallow`` ends. A logistic head turns the patch tokens into log-odds.
``training/parts.py`` fits it to images with a part of another image. Probing the tokens of a frozen
encoder for a map of patches is the idea of Smeu et al., DeCLIP (arXiv:2409.08849).

Without CLIP, the image is cut into overlapping windows of half its width and height. The light
members classify each. A point of the map has the mean log-odds of the windows that cover it.
Judging windows alone is the idea of Chai et al., What makes fake images detectable?
(arXiv:2008.10588).

Neither needs a gradient. ``training/README.md`` tells how well both find a generated part.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.networks import Head
from models.views import Pixels, prepare

WINDOWS = 3
"""Windows along each side. They begin every quarter of the side, so the map has one cell more."""
CELLS = WINDOWS + 1
NEIGHBOURS = 3
"""A patch is judged with its neighbours: the mean of as many patches along each side."""
_SURE = 1e-6
"""Probabilities are kept this far from 0 and 1, where log-odds are infinite."""

PartMap = NDArray[np.float32]
"""Shape (cells, cells), rows from the top: the probability that this part is AI-made, 0 to 1. It is
not calibrated for the web."""


def map_patches(tokens: NDArray[np.float32], head: Head) -> PartMap:
    """Judge the patches of an image.

    Args:
        tokens: of the class, then of the patches, row by row; shape (1 + patches, width).
        head: reads the mean of neighbouring patches.

    Returns:
        A map with one cell per patch.
    """
    return _probability(head(with_neighbours(tokens))).reshape(_side(tokens), -1)


def with_neighbours(tokens: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean of each patch and its neighbours in the image, shape (patches, width)."""
    side, reach = _side(tokens), NEIGHBOURS // 2
    grid = tokens[1:].reshape(side, side, -1)
    known = np.empty_like(grid)
    for row, column in product(range(side), repeat=2):
        rows, columns = (slice(max(0, at - reach), at + reach + 1) for at in (row, column))
        known[row, column] = grid[rows, columns].mean(axis=(0, 1))
    return known.reshape(side * side, -1)


def judge_windows(pixels: Pixels, probability: Callable[[Pixels], float]) -> PartMap:
    """Judge the windows of an image.

    Args:
        pixels: upright sRGB, shape (height, width, 3), uint8.
        probability: returns the probability that an image is AI-made. It is called
            ``WINDOWS`` × ``WINDOWS`` times.

    Returns:
        A map of ``CELLS`` × ``CELLS``.

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
    return _probability(total / count)


def _side(tokens: NDArray[np.float32]) -> int:
    """Return the number of patches along each side."""
    return math.isqrt(len(tokens) - 1)


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


def _probability(log_odds: NDArray[np.floating]) -> PartMap:
    found: PartMap = (0.5 * (1 + np.tanh(0.5 * log_odds))).astype(np.float32)
    return found
