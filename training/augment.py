"""Random augmentation of training images: the changes that images undergo on the web.

It is applied before the view is cut, and in the same way to both labels.
"""

from __future__ import annotations

import io
import math

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from models.views import Pixels

FILTERS = (
    Image.Resampling.BILINEAR,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
    Image.Resampling.BOX,
)
SMALLEST = 96
"""Smallest short side of a thumbnail in pixels."""


def augment(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Return a randomly augmented image.

    Each step has its own probability: crop, mirror, recompression before or after reduction,
    colour, blur, noise.

    Args:
        pixels: shape (height, width, 3), uint8.
        rng: the only source of randomness.
    """
    image = Image.fromarray(pixels)
    if rng.random() < 0.7:
        image = _crop(image, rng)
    if rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if rng.random() < 0.3:
        image = _recompress(image, rng)
    if rng.random() < 0.5:
        image = _rescale(image, rng)
    if rng.random() < 0.3:
        image = _recolour(image, rng)
    if rng.random() < 0.1:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.0)))
    if rng.random() < 0.1:
        image = _add_noise(image, rng)
    if rng.random() < 0.6:
        image = _recompress(image, rng)
    return np.asarray(image)


def recompress(image: Image.Image, format_: str, quality: int) -> Image.Image:
    """Encode and decode the image."""
    file = io.BytesIO()
    image.save(file, format_, quality=quality)
    return Image.open(file).convert("RGB")


def _recompress(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    format_ = "JPEG" if rng.random() < 0.65 else "WEBP"
    return recompress(image, format_, int(rng.integers(40, 96)))


def _crop(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Keep 55 to 100 % of the area. The aspect ratio changes by up to a third."""
    area = rng.uniform(0.55, 1.0)
    stretch = math.exp(rng.uniform(-0.29, 0.29))
    width = round(min(1.0, math.sqrt(area * stretch)) * image.width)
    height = round(min(1.0, math.sqrt(area / stretch)) * image.height)
    left = int(rng.integers(image.width - width + 1))
    top = int(rng.integers(image.height - height + 1))
    return image.crop((left, top, left + width, top + height))


def _rescale(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Reduce the image. Half of the time, enlarge it again, as the layout of a page does."""
    scale = max(rng.uniform(0.4, 1.0), SMALLEST / min(image.size))
    if scale >= 1:
        return image
    size = (round(image.width * scale), round(image.height * scale))
    small = image.resize(size, FILTERS[rng.integers(len(FILTERS))])
    if rng.random() < 0.5:
        return small
    return small.resize(image.size, FILTERS[rng.integers(len(FILTERS))])


def _recolour(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    for property_ in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = property_(image).enhance(rng.uniform(0.8, 1.2))
    return image


def _add_noise(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    noise = rng.normal(0, rng.uniform(2, 8), (image.height, image.width, 3))
    noisy = np.asarray(image, np.float32) + noise
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
