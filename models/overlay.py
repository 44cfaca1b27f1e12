"""Draws a map of parts over its image, with a legend."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from models.explain import PartMap
from models.views import Pixels

LONGEST = 1024
"""Pixels of the picture's longer side, at most."""
_NARROWEST = 480
"""Pixels of its width, at least, so that the legend fits."""
_LEGEND = 64
"""Pixels of the legend's height."""
_STRENGTH = 0.55
"""The share of the colours; the rest is the image in grey."""
_COLOURS = np.array(
    [(0, 32, 77), (65, 77, 107), (124, 123, 120), (185, 172, 112), (255, 234, 70)], np.float64
)
"""The map cividis at 0, 1/4, … 1: blue to yellow, in steps that look the same to people with and
without colour vision deficiency (Nuñez et al., 10.1371/journal.pone.0199239)."""
_INK, _PAPER = (20, 20, 20), (255, 255, 255)
_CAPTION = "How AI-made each part looks. A hint, not proof."


def draw(pixels: Pixels, parts: PartMap) -> bytes:
    """Draw the map over the image.

    Args:
        pixels: upright sRGB, shape (height, width, 3), uint8.
        parts: from ``Ensemble.map_parts``.

    Returns:
        A PNG. Its longer side has at most ``LONGEST`` pixels.
    """
    file = io.BytesIO()
    paint(pixels, parts).save(file, "PNG")
    return file.getvalue()


def paint(pixels: Pixels, parts: PartMap) -> Image.Image:
    """Draw the map over the image, as in `draw`, but return no file."""
    image = Image.fromarray(pixels)
    image.thumbnail((LONGEST, LONGEST - _LEGEND))
    grey = np.asarray(image.convert("L"), np.float64)[..., None]
    # Between the cells' centres the map is interpolated, as neighbouring parts overlap.
    smooth = Image.fromarray(parts).resize(image.size, Image.Resampling.BILINEAR)
    mixed = (1 - _STRENGTH) * grey + _STRENGTH * _coloured(np.asarray(smooth))
    size = (max(_NARROWEST, image.width), image.height + _LEGEND)
    picture = Image.new("RGB", size, _PAPER)
    picture.paste(Image.fromarray(mixed.astype(np.uint8)), ((size[0] - image.width) // 2, 0))
    _draw_legend(picture, image.height)
    return picture


def _coloured(values: PartMap) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return the colour of each value, shape (…, 3), 0 to 255."""
    at = np.linspace(0, 1, len(_COLOURS))
    return np.stack([np.interp(values, at, channel) for channel in _COLOURS.T], axis=-1)


def _draw_legend(picture: Image.Image, top: int) -> None:
    """Draw the colour scale and its meaning below the image."""
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(13)
    middle, line = picture.width // 2, top + 8
    draw.text((middle, line), _CAPTION, _INK, font, "ma")
    left, right, y = middle - 100, middle + 100, line + 26
    scale = np.broadcast_to(np.linspace(0, 1, right - left, dtype=np.float32), (12, right - left))
    picture.paste(Image.fromarray(_coloured(scale).astype(np.uint8)), (left, y))
    draw.text((left - 8, y + 6), "not AI", _INK, font, "rm")
    draw.text((right + 8, y + 6), "AI", _INK, font, "lm")
