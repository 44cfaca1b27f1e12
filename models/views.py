"""Views: array → what a member sees. The same code makes them in training and in serving.

The images we train on were taken down to 240 or 288 px on the short side, as far as they were
larger. So is what we judge, before any view is cut: a network that looks for traces of generation
would rather see native pixels, but a crop of a 2,000 px image at its own scale would show it a
texture that it has never seen, with a confidence that nothing has calibrated. Crops are then cut at
a short side of 240 px, and an image is enlarged only when it is smaller than one crop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LARGEST = 288
"""Pixels on the short side to which larger images are taken down: as the largest we train on."""

SHORT_SIDE = 240
"""Pixels on the short side at which crops are cut: that of the smallest we train on."""

PANORAMA = 2.0
"""From this aspect ratio on, crops lie in one strip along the long side."""

_REDUCED = 2 * LARGEST
"""Whole-factor reduction stops here, leaving a factor of two or more to the finer filter."""

_STRIP = 256
"""Rows of the reduced image made at a time; bounds the memory that a huge image takes."""

Pixels = NDArray[np.uint8]


class View(Protocol):
    """What a member sees of an image.

    ``name`` identifies the view, its sizes and its code: the manifest records it with the weights,
    so change it when the pixels that come out change.
    """

    @property
    def name(self) -> str:
        """The identity of the view, e.g. ``whole-224-of-288``."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Views per image, height, width, channels."""

    def serve(self, image: Image.Image) -> Pixels:
        """Make the views that are judged, shape ``shape``, always the same for the same image."""

    def sample(self, image: Image.Image, rng: np.random.Generator) -> Pixels:
        """Make one view to train on, shape ``shape[1:]``."""


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
        """Resize the image; the filter widens with the factor, so it does not alias."""
        return np.asarray(_resize(image, self.size))[None]

    def sample(self, image: Image.Image, rng: np.random.Generator) -> Pixels:  # noqa: ARG002
        """Resize the image: what varies in training, the augmentation varies before."""
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
        """Cut one crop around the middle of each quarter of the image."""
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

        The crop is resampled from its own box, so no enlarged or resized whole is ever made: a
        strip of 10,000 × 64 px costs four small crops and no more.
        """
        short = min(image.size)
        # Pixels of the image per pixel of the crop; 1 for images between crop and SHORT_SIDE.
        scale = max(1.0, short / SHORT_SIDE) if short >= self.size else short / self.size
        side = min(self.size * scale, short)
        left = _inside(x * image.width - side / 2, image.width - side)
        top = _inside(y * image.height - side / 2, image.height - side)
        if scale == 1:  # Whole pixels: an untouched copy, not an interpolation.
            left, top = int(left), int(top)
        box = (left, top, min(left + side, image.width), min(top + side, image.height))
        return np.asarray(_resize(image, self.size, box))


WHOLE = Whole(224)
CROPS = Crops(128)


def prepare(pixels: Pixels) -> Image.Image:
    """Make the image that the views are cut from; do it once for all of them.

    Args:
        pixels: upright sRGB, shape (height, width, 3), uint8; any strides.

    Returns:
        The image, at most ``LARGEST`` pixels on the short side.

    Raises:
        ValueError: the array is not of that shape and type.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or not pixels.size:
        raise ValueError(f"expected (height, width, 3) uint8, got {pixels.shape} {pixels.dtype}")
    image = _reduce(pixels)
    scale = LARGEST / min(image.size)
    if scale >= 1:
        return image
    size = (round(image.width * scale), round(image.height * scale))
    # Made for taking images down: as good as bicubic there, in half the time.
    return image.resize(size, Image.Resampling.HAMMING)


def _reduce(pixels: Pixels) -> Image.Image:
    """Take a large image down by a whole factor: the mean of k × k pixels.

    Fast, and strip by strip, so that a 40-megapixel array is never held a second time.
    """
    factor = min(pixels.shape[:2]) // _REDUCED
    if factor < 2:
        return Image.fromarray(pixels)
    rows = _STRIP * factor
    strips = [
        np.asarray(Image.fromarray(pixels[top : top + rows]).reduce(factor))
        for top in range(0, len(pixels), rows)
    ]
    return Image.fromarray(np.concatenate(strips))


def _resize(
    image: Image.Image, size: int, box: tuple[float, float, float, float] | None = None
) -> Image.Image:
    return image.resize((size, size), Image.Resampling.BICUBIC, box=box)


def _inside(start: float, room: float) -> float:
    return min(max(start, 0.0), max(room, 0.0))
