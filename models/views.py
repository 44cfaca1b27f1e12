"""Views: the fixed-size inputs of the members. Training and serving share this code.

Training images were reduced to 240 or 288 px on the short side, if they were larger. Images are
reduced in the same way before classification. A network that looks for traces of generation would
prefer native pixels. But a crop of a 2,000 px image at its own scale would show a texture that the
network has never seen, and its confidence would not be calibrated. Crops are cut at a short side of
240 px. An image is enlarged only if it is smaller than one crop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LARGEST = 288
"""Short side in pixels to which larger images are reduced. Equals the largest training images."""

SHORT_SIDE = 240
"""Short side in pixels at which crops are cut. Equals the smallest training images."""

PANORAMA = 2.0
"""From this aspect ratio on, the crops lie in one row along the long side."""

_REDUCED = 2 * LARGEST
"""Integer reduction stops at this short side. The finer filter does the last factor of two."""

_STRIP = 256
"""Rows of the image that are reduced at a time. Limits the memory for a huge image."""

Pixels = NDArray[np.uint8]


class View(Protocol):
    """Makes a member's input from an image.

    ``name`` identifies the view with its sizes and its code. The manifest stores it with the
    weights. Change the name whenever the resulting pixels change.
    """

    @property
    def name(self) -> str:
        """The identity of the view, e.g. ``whole-224-of-288``."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Views per image, height, width, channels."""

    def serve(self, image: Image.Image) -> Pixels:
        """Make the views for inference, shape ``shape``. They depend on the image alone."""

    def sample(self, image: Image.Image, rng: np.random.Generator) -> Pixels:
        """Make one random view for training, shape ``shape[1:]``."""


@dataclass(frozen=True)
class Whole:
    """The whole image, resized to a square regardless of its aspect ratio."""

    size: int

    @property
    def name(self) -> str:
        """The identity of the view."""
        return f"whole-{self.size}-of-{LARGEST}"

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """One view of ``size`` × ``size``."""
        return (1, self.size, self.size, 3)

    def serve(self, image: Image.Image) -> Pixels:
        """Resize the image. The filter widens with the factor, which prevents aliasing."""
        return np.asarray(_resize(image, self.size))[None]

    def sample(self, image: Image.Image, rng: np.random.Generator) -> Pixels:  # noqa: ARG002
        """Resize the image. The augmentation has already varied it."""
        return np.asarray(_resize(image, self.size))


@dataclass(frozen=True)
class Crops:
    """Four square crops, spread over the image, at the scale of ``SHORT_SIDE``."""

    size: int

    @property
    def name(self) -> str:
        """The identity of the view."""
        return f"crops-4x{self.size}-of-{SHORT_SIDE}-of-{LARGEST}"

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Four views of ``size`` × ``size``."""
        return (4, self.size, self.size, 3)

    def serve(self, image: Image.Image) -> Pixels:
        """Cut one crop around the centre of each quarter of the image."""
        if max(image.size) >= PANORAMA * min(image.size):
            along = [(step / 8, 1 / 2) for step in (1, 3, 5, 7)]
            centres = along if image.width > image.height else [(y, x) for x, y in along]
        else:
            centres = [(x, y) for y in (1 / 4, 3 / 4) for x in (1 / 4, 3 / 4)]
        return np.stack([self._cut(image, x, y) for x, y in centres])

    def sample(self, image: Image.Image, rng: np.random.Generator) -> Pixels:
        """Cut one crop anywhere."""
        return self._cut(image, rng.random(), rng.random())

    def _cut(self, image: Image.Image, x: float, y: float) -> Pixels:
        """Cut a crop around the relative point (x, y), moved inside the image.

        The crop is resampled from its own box. The whole image is never resized, so an image of
        10,000 × 64 px costs no more than four small crops.
        """
        short = min(image.size)
        # Image pixels per crop pixel. 1 for images between crop size and SHORT_SIDE.
        scale = max(1.0, short / SHORT_SIDE) if short >= self.size else short / self.size
        side = min(self.size * scale, short)
        left = _inside(x * image.width - side / 2, image.width - side)
        top = _inside(y * image.height - side / 2, image.height - side)
        if scale == 1:  # Whole pixels make an exact copy without interpolation.
            left, top = int(left), int(top)
        box = (left, top, min(left + side, image.width), min(top + side, image.height))
        return np.asarray(_resize(image, self.size, box))


WHOLE = Whole(224)
CROPS = Crops(128)


def prepare(pixels: Pixels) -> Image.Image:
    """Reduce the image that all views are cut from. Call it once per image.

    Args:
        pixels: upright sRGB, shape (height, width, 3), uint8; any strides.

    Returns:
        The image, at most ``LARGEST`` pixels on the short side.

    Raises:
        ValueError: the array is not of that shape and type.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or not pixels.size:
        raise ValueError(f"expected (height, width, 3) uint8, got {pixels.shape} {pixels.dtype}")
    factor = max(1, min(pixels.shape[:2]) // _REDUCED)
    image = reduce_blocks(pixels, (factor, factor))
    scale = LARGEST / min(image.size)
    if scale >= 1:
        return image
    size = (round(image.width * scale), round(image.height * scale))
    # For reduction, Hamming is as good as bicubic in half the time.
    return image.resize(size, Image.Resampling.HAMMING)


def reduce_blocks(pixels: Pixels, factors: tuple[int, int]) -> Image.Image:
    """Reduce an image so that each pixel is the mean of a block.

    It is fast. It works in strips, so there is no second copy of a 40-megapixel array.

    Args:
        pixels: shape (height, width, 3).
        factors: width and height of a block.
    """
    if factors == (1, 1):
        return Image.fromarray(pixels)
    rows = max(1, _STRIP // factors[1]) * factors[1]
    strips = [
        np.asarray(Image.fromarray(pixels[top : top + rows]).reduce(factors))
        for top in range(0, len(pixels), rows)
    ]
    return Image.fromarray(np.concatenate(strips))


def _resize(
    image: Image.Image, size: int, box: tuple[float, float, float, float] | None = None
) -> Image.Image:
    return image.resize((size, size), Image.Resampling.BICUBIC, box=box)


def _inside(start: float, room: float) -> float:
    return min(max(start, 0.0), max(room, 0.0))
