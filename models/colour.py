"""Converts pixels of any mode and colour space to sRGB on white, as browsers show them."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageCms

from models.colour_encodings import VIDEO_CURVES, from_cicp, from_gamma
from models.container import ColourTags
from models.errors import ErrorCode, ImageError

# CMYK profiles for print have 0.5 to 3 MB. Larger profiles are ignored.
_MAX_ICC_BYTES = 4 * 2**20
# Pixels are converted in strips of about this size. A strip fits in the processor's cache, and no
# second full copy of the image is made.
_STRIP_PIXELS = 2**17

_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
_LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))

# The ICC colour space (ICC.1:2022, table 19) that a profile must have for each Pillow mode.
_ICC_SPACES = {"L": "GRAY", "RGB": "RGB ", "CMYK": "CMYK", "LAB": "Lab "}

_Convert = Callable[[Image.Image], Image.Image]


def srgb_pixels(image: Image.Image, tags: ColourTags) -> NDArray[np.uint8]:
    """Convert a loaded image of any mode to sRGB. Transparent parts become white.

    Args:
        image: may have an ICC profile in its ``info``.
        tags: the file's other colour information.

    Returns:
        uint8, shape (height, width, 3).

    Raises:
        ImageError: unsupported_format, for channels of 32 bits.
    """
    to_srgb = _to_srgb(image, tags)
    width, height = image.size
    pixels = np.empty((height, width, 3), np.uint8)
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        strip = image.crop((0, top, width, bottom))
        pixels[top:bottom] = np.asarray(_on_white(strip, to_srgb))
    return pixels


def _on_white(image: Image.Image, to_srgb: _Convert) -> Image.Image:
    """Convert one strip to RGB. Transparent parts become white, as on a blank page."""
    if _is_16_bit_grey(image) or not image.has_transparency_data:
        return to_srgb(_plain(image))
    image = image.convert("RGBA")
    page = Image.new("RGB", image.size, "white")
    page.paste(to_srgb(image.convert("RGB")), mask=image.getchannel("A"))
    return page


def _plain(image: Image.Image) -> Image.Image:
    """Convert an opaque image to a mode that colour profiles can have."""
    if image.mode in _ICC_SPACES:
        return image
    if _is_16_bit_grey(image):
        high_bytes = np.asarray(image) >> 8
        return Image.fromarray(high_bytes.astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ImageError(
            ErrorCode.UNSUPPORTED_FORMAT,
            "Images with 32 bits per channel are not supported.",
        )
    return image.convert("L" if image.mode == "1" else "RGB")


def _is_16_bit_grey(image: Image.Image) -> bool:
    return image.mode.startswith("I;16")


def _to_srgb(image: Image.Image, tags: ColourTags) -> _Convert:
    """Choose the conversion to sRGB for the strips of this image.

    The order of precedence is that of PNG (third edition, §4.3). In AVIF, ``cicp`` is empty if
    there is a profile.
    """
    mode = "L" if image.mode == "1" or _is_16_bit_grey(image) else image.mode
    if mode not in _ICC_SPACES or image.has_transparency_data:
        mode = "RGB"
    return (
        (from_cicp(*tags.cicp, tags.peak) if tags.cicp else None)
        or _from_icc(image.info.get("icc_profile") or b"", mode, tags.peak)
        or (None if tags.srgb else from_gamma(tags.gamma, tags.chromaticities))
        or (_transform(_LAB, "LAB").apply if mode == "LAB" else _unchanged)
    )


def _unchanged(strip: Image.Image) -> Image.Image:
    return strip.convert("RGB")


# ICC profiles


def _from_icc(icc: bytes, mode: str, peak: float) -> _Convert | None:
    """Return the conversion of a mode's pixels to sRGB by an ICC profile.

    A broken profile, or one for another colour space, is ignored.
    """
    if not 0 < len(icc) <= _MAX_ICC_BYTES:
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        space = profile.profile.xcolor_space
        if space == _ICC_SPACES["RGB"] and mode in ("L", "RGB"):
            return _from_cicp_tag(icc, peak) or _from_rgb_profile(icc, profile)
        return _transform(profile, mode).apply if space == _ICC_SPACES[mode] else None
    except (OSError, struct.error, ImageCms.PyCMSError):
        return None


def _transform(profile: ImageCms.ImageCmsProfile, mode: str) -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(profile, _SRGB, mode, "RGB")


def _from_rgb_profile(icc: bytes, profile: ImageCms.ImageCmsProfile) -> _Convert:
    # Most profiles on the web are sRGB. Applying one takes as long as decoding the image.
    if len(icc) <= _MAX_SRGB_BYTES and _is_srgb(icc):
        return _unchanged
    transform = _transform(profile, "RGB")
    return lambda strip: transform.apply(strip.convert("RGB"))


_MAX_SRGB_BYTES = 2**16  # sRGB profiles have 0.5 to 60 KB
_INVISIBLE = 2  # of 255. The sRGB profiles of two vendors differ by this much.


@lru_cache(maxsize=64)
def _is_srgb(icc: bytes) -> bool:
    """Say whether a profile leaves colours unchanged, whatever its name is."""
    profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    # Without optimisation it is built in a quarter of the time. There are few pixels to convert.
    fast = ImageCms.Flags.NOOPTIMIZE
    transform = ImageCms.buildTransform(profile, _SRGB, "RGB", "RGB", flags=fast)
    change = ImageChops.difference(transform.apply(_SAMPLES), _SAMPLES)
    return bool(np.asarray(change).max() <= _INVISIBLE)


def _samples() -> Image.Image:
    """Return colours spread over the RGB cube."""
    steps = np.linspace(0, 255, 8).astype(np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1)
    return Image.fromarray(cube.reshape(8, -1, 3))


_SAMPLES = _samples()


def _from_cicp_tag(icc: bytes, peak: float) -> _Convert | None:
    """Return the conversion by a profile's cicp tag (ICC.1:2022 §9.2.17), if it has one."""
    (count,) = struct.unpack_from(">I", icc, 128)
    for name, offset, size in struct.iter_unpack(">4sII", icc[132 : 132 + 12 * min(count, 100)]):
        if name == b"cicp" and size >= 12 and offset + 12 <= len(icc):
            primaries, transfer, matrix, full_range = icc[offset + 8 : offset + 12]
            if (matrix, full_range) == (0, 1):
                return from_cicp(primaries, 13 if transfer in VIDEO_CURVES else transfer, peak)
    return None
