"""Perceptual hash: almost equal for images that were resized, re-encoded or slightly cropped.

The hash is pHash: the signs of an image's lowest frequencies (Zauner 2010, "Implementation and
Benchmarking of Perceptual Image Hash Functions"), as the library `imagehash` computes it. That
library needs SciPy, which a worker process would have to load for this alone.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from models.views import Pixels, reduce_blocks

_SIDE = 32
"""Pixels of the thumbnail whose frequencies are taken."""

_KEPT = 8
"""Frequencies in each direction that become bits."""

_LEAST_CONTRAST = 1.0
"""Standard deviation of the thumbnail's brightness, of 255. Below it the bits are noise."""

_COSINES = np.cos(np.pi / _SIDE * np.outer(np.arange(_KEPT), np.arange(_SIDE) + 0.5))
"""The first rows of the discrete cosine transform (DCT-II), shape (8, 32)."""

SIMILAR = 10
"""The largest distance in bits of two copies of one image. ``python -m training.similarity``
measures how often copies are nearer, and how often unrelated images are."""


def perceptual_hash(pixels: Pixels) -> int | None:
    """Return the pHash of an image, 64 bits.

    Args:
        pixels: upright sRGB, shape (height, width, 3), uint8.

    Returns:
        None if the image is almost of one colour. Such images all have similar hashes.
    """
    # Reduced to three times the thumbnail's size first, a photograph of 12 megapixels takes a tenth
    # of the time. Pillow's `reducing_gap` does the same, but on a copy of the whole image.
    height, width, _ = pixels.shape
    across, down = (max(1, side // (3 * _SIDE)) for side in (width, height))
    small = reduce_blocks(pixels, (across, down)).resize(
        (_SIDE, _SIDE), Image.Resampling.LANCZOS, box=(0, 0, width / across, height / down)
    )
    thumbnail = np.asarray(small.convert("L"), np.float64)
    if thumbnail.std() < _LEAST_CONTRAST:
        return None
    frequencies = _COSINES @ thumbnail @ _COSINES.T
    bits = frequencies > np.median(frequencies)
    return int.from_bytes(np.packbits(bits).tobytes(), "big")
