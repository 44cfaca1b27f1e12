"""The pictures of reports: small JPEGs of an image, and of where it looks AI-made."""

from __future__ import annotations

import io

from PIL import Image

from models.explain import PartMap
from models.overlay import paint
from models.views import Pixels

LONGEST, LONGEST_IN_ROW = 640, 160
"""Pixels of the longer side of a small copy, at most: on a sheet, and in the row of a table."""
_QUALITY = 85


def small_copy(pixels: Pixels, longest: int = LONGEST) -> bytes:
    """Return a JPEG of an image, made smaller.

    Args:
        pixels: upright sRGB, shape (height, width, 3), uint8.
        longest: pixels of its longer side, at most.
    """
    image = Image.fromarray(pixels)
    image.thumbnail((longest, longest))
    return _jpeg(image)


def small_map(pixels: Pixels, parts: PartMap) -> bytes:
    """Return a JPEG of the map of an image's parts; as in `models.overlay.draw`."""
    return _jpeg(paint(pixels, parts))


def _jpeg(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_QUALITY, optimize=True)
    return file.getvalue()
