"""Test images: public-domain photographs that come with scikit-image, and drawn pictures."""

from __future__ import annotations

import io
from functools import lru_cache

from PIL import Image, ImageDraw
from skimage import data

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket")
"""Colour photographs that are in scikit-image's wheel."""


@lru_cache(maxsize=32)
def photograph(name: str = "astronaut") -> Image.Image:
    """Return one of scikit-image's photographs."""
    return Image.fromarray(getattr(data, name)()).convert("RGB")


def drawing(seed: int = 0, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """Draw a picture; every seed gives another one."""
    image = Image.new("RGB", size, ((seed * 53) % 256, (seed * 97) % 256, (seed * 31) % 256))
    draw = ImageDraw.Draw(image)
    for step in range(8):
        x, y = (seed * 37 + step * 61) % size[0], (seed * 17 + step * 43) % size[1]
        draw.ellipse((x - 40, y - 40, x + 40, y + 40), fill=((step * 30) % 256, x % 256, y % 256))
    return image


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    """Return the image as a file's bytes."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
