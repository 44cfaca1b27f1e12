"""Made images: a part of one image is replaced by a part of another."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.views import WHOLE, Pixels


@dataclass(frozen=True)
class Composite:
    """An image with a part of another.

    Args:
        pixels: after JPEG, shape (height, width, 3).
        inside: which points of the view ``WHOLE`` lie in the part; its height and width.
    """

    pixels: Pixels
    inside: NDArray[np.bool_]

    def inside_cells(self, cells: int) -> NDArray[np.bool_]:
        """Return which cells of a map have their centre in the part, shape (cells, cells)."""
        centres = (2 * np.arange(cells) + 1) * WHOLE.size // (2 * cells)
        return self.inside[np.ix_(centres, centres)]


def paste(
    into: Pixels, source: Pixels, share: float, quality: int, rng: np.random.Generator
) -> Composite:
    """Replace a part of an image by a part of another, both at random places.

    Args:
        into: the image.
        source: has the part.
        share: the part's width and height, as a share of the image's, 0 to 1.
        quality: the result is a JPEG of this quality.
        rng: chooses the places.
    """
    size = [min(int(share * into.shape[axis]), source.shape[axis]) for axis in (0, 1)]
    to, of = (
        tuple(
            np.s_[start : start + side]
            for side, start in (
                (side, rng.integers(whole - side + 1))
                for side, whole in zip(size, image.shape[:2], strict=True)
            )
        )
        for image in (into, source)
    )
    pixels, mask = into.copy(), np.zeros(into.shape[:2], np.uint8)
    pixels[to], mask[to] = source[of], 255
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    view = Image.fromarray(mask).resize((WHOLE.size, WHOLE.size), Image.Resampling.NEAREST)
    return Composite(np.asarray(Image.open(file)), np.asarray(view) > 0)
