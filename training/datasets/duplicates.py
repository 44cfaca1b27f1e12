"""Finds near duplicates: re-encoded, resized or slightly retouched copies.

The 64-bit perceptual hashes of two copies differ in few bits. Two hashes that differ in at most d
bits agree completely in at least one of d + 1 bands. So only images with an equal band are compared
(multi-index hashing: Norouzi, Punjani & Fleet, CVPR 2012). A hash carries little information, so
each pair is then verified with thumbnails.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from models.views import Pixels

DISTANCE = 4
"""Largest number of different bits in the hashes of copies.

For 4,447 images of the packs' ``train``, 99.9 % of the copies are within it: as JPEG of quality 40,
and as JPEG of quality 60 at two thirds of the size.
"""

DIFFERENCE = 6.0
"""Largest mean difference between the thumbnails of copies, of 255.

In the same measurement it was at most 4.5. One pair of different images had similar hashes. Its
difference was more than 8.
"""

_BITS = 64
_CHUNK = 2**14
"""Pairs whose thumbnails are compared at a time: about 100 MB."""


def near_pairs(hashes: NDArray[np.uint64], thumbnails: Pixels) -> NDArray[np.int64]:
    """Find the pairs of near duplicates.

    Args:
        hashes: of each image, shape (images,).
        thumbnails: of each image, shape (images, height, width, 3).

    Returns:
        Pairs of indices, the smaller first, each pair once, shape (pairs, 2).
    """
    edges = np.linspace(0, _BITS, DISTANCE + 2).astype(int)
    found = [np.empty((0, 2), np.int64)]
    for low, high in pairwise(edges):
        band = (hashes >> np.uint64(low)) & np.uint64((1 << int(high - low)) - 1)
        found += _close_in_band(hashes, band)
    pairs = np.unique(np.concatenate(found), axis=0)
    chunks = range(0, len(pairs), _CHUNK)
    alike = [_alike(thumbnails, pairs[start : start + _CHUNK]) for start in chunks]
    kept: NDArray[np.int64] = pairs[np.concatenate([np.empty(0, bool), *alike])]
    return kept


def _close_in_band(hashes: NDArray[np.uint64], band: NDArray[np.uint64]) -> list[NDArray[np.int64]]:
    """Compare the images with an equal band: in sorted order, each with the 1st, 2nd … next one."""
    order = np.argsort(band, kind="stable")
    band, hashes = band[order], hashes[order]
    found: list[NDArray[np.int64]] = []
    first, step = np.arange(len(order)), 1
    while True:
        first = first[first + step < len(order)]
        first = first[band[first] == band[first + step]]
        if not len(first):
            return found
        close = np.bitwise_count(hashes[first] ^ hashes[first + step]) <= DISTANCE
        pairs = np.stack([order[first[close]], order[first[close] + step]], axis=1)
        found.append(np.sort(pairs, axis=1))
        step += 1


def _alike(thumbnails: Pixels, pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
    one, other = (thumbnails[pairs[:, side]].astype(np.int16) for side in (0, 1))
    means: NDArray[np.float64] = np.abs(one - other).mean(axis=(1, 2, 3))
    return means <= DIFFERENCE
