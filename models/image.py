"""Bytes that nobody trusts → an upright sRGB array within limits, or a typed error.

The file's magic bytes decide what it is; Pillow is then asked for that one format, so that no other
decoder can be reached. Sizes are checked from the header, before any pixel is decoded.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms

from models.errors import ErrorCode, ImageError

MIN_SIDE = 64
MAX_SIDE = 16_384
MAX_PIXELS = 40_000_000

# A CMYK profile for print weighs 0.5 to 3 MB; what is larger is not worth reading.
_MAX_ICC_BYTES = 4 * 2**20
# Pixels are converted in strips of about this many: they stay in the processor's cache, and no
# second full copy is ever made.
_STRIP_PIXELS = 2**17

# Pillow speaks of odd files in warnings; whether a file is judged is decided here, by errors alone.
warnings.filterwarnings("ignore", module=r"PIL\.")


@dataclass(frozen=True)
class DecodedImage:
    """An image ready to be judged.

    Attributes:
        pixels: uint8 array of shape (height, width, 3), upright, sRGB, C-contiguous.
        width: pixels, 64 to 16,384, after the EXIF orientation was applied.
        height: pixels, 64 to 16,384, after the EXIF orientation was applied.
        format: jpeg, png, webp, gif, avif, bmp or tiff.
        frames: number of frames in the file; ``pixels`` is the first.
    """

    pixels: NDArray[np.uint8]
    width: int
    height: int
    format: str
    frames: int


# What the first bytes say (each format's own specification; the list follows the WHATWG MIME
# Sniffing standard, section 6.1, and adds TIFF, AVIF and the header sizes that a BMP may have).
_SUPPORTED = {
    "jpeg": rb"\xff\xd8\xff",
    "png": rb"\x89PNG\r\n\x1a\n",
    "webp": rb"RIFF.{4}WEBP",
    "gif": rb"GIF8[79]a",
    "avif": rb".{4}ftyp(?:.{4}){0,15}?avi[fs]",
    "bmp": rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\x00\x00\x00",
    "tiff": rb"II[*+]\x00|MM\x00[*+]",
}
_UNSUPPORTED = {
    "SVG": rb"\s*(?:<\?xml.{0,1024}?)?(?:<!--.{0,1024}?-->\s*|<!DOCTYPE\s+svg.{0,1024}?)*<svg[\s>]",
    "ICO": rb"\x00\x00[\x01\x02]\x00",
    "JPEG XL": rb"\xff\x0a|\x00\x00\x00\x0cJXL ",
    "JPEG 2000": rb"\x00\x00\x00\x0cjP  |\xff\x4f\xff\x51",
    "HEIF": rb".{4}ftyp(?:hei[cfmsx]|hev[cx]|mif1|msf1)",
    "PSD": rb"8BPS",
}


def _compile(table: dict[str, bytes]) -> dict[str, re.Pattern[bytes]]:
    return {name: re.compile(pattern, re.DOTALL) for name, pattern in table.items()}


_SUPPORTED_MAGIC, _UNSUPPORTED_MAGIC = _compile(_SUPPORTED), _compile(_UNSUPPORTED)


def sniff(data: bytes) -> str:
    """Name the format that the magic bytes announce.

    Raises:
        ImageError: not_an_image, or unsupported_format for images of other formats.
    """
    for name, magic in _SUPPORTED_MAGIC.items():
        if magic.match(data):
            return name
    for name, magic in _UNSUPPORTED_MAGIC.items():
        if magic.match(data):
            raise ImageError(ErrorCode.UNSUPPORTED_FORMAT, f"{name} images are not supported.")
    raise ImageError(ErrorCode.NOT_AN_IMAGE, "The file is not an image.")


def decode(data: bytes) -> DecodedImage:
    """Decode the first frame of an image file.

    Args:
        data: the whole file.

    Raises:
        ImageError: not_an_image, unsupported_format, too_small, too_many_pixels or corrupt_image.
    """
    name = sniff(data)
    try:
        with Image.open(io.BytesIO(data), formats=[name.upper()]) as image:
            _check_size(*image.size)
            image.load()
            pixels = _orient(_srgb_pixels(image), _orientation(image))
            frames = int(getattr(image, "n_frames", 1))
    except (ImageError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels() from error
    except Exception as error:  # Pillow's decoders raise whatever their format's parsing met
        raise ImageError(ErrorCode.CORRUPT_IMAGE, f"The {name} file is damaged.") from error
    height, width, _ = pixels.shape
    return DecodedImage(pixels, width, height, name, frames)


def _check_size(width: int, height: int) -> None:
    if width > MAX_SIDE or height > MAX_SIDE or width * height > MAX_PIXELS:
        raise _too_many_pixels()
    if width < MIN_SIDE or height < MIN_SIDE:
        raise ImageError(
            ErrorCode.TOO_SMALL,
            f"The image is {width} × {height} pixels; {MIN_SIDE} a side are needed.",
        )


def _too_many_pixels() -> ImageError:
    return ImageError(
        ErrorCode.TOO_MANY_PIXELS,
        f"The image has more than {MAX_PIXELS // 10**6} megapixels or {MAX_SIDE:,} pixels a side.",
    )


# Colour ---------------------------------------------------------------------------------------

_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
_LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))

# The colour space that a profile must be about (ICC.1:2022, table 19) to apply to a Pillow mode.
_ICC_SPACES = {"L": "GRAY", "RGB": "RGB ", "CMYK": "CMYK", "LAB": "Lab "}


def _srgb_pixels(image: Image.Image) -> NDArray[np.uint8]:
    """Convert a loaded image of any mode to an sRGB array, transparent parts on white."""
    to_srgb = _icc_conversion(image)
    width, height = image.size
    pixels = np.empty((height, width, 3), np.uint8)
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        strip = image.crop((0, top, width, bottom))
        pixels[top:bottom] = np.asarray(_on_white(strip, to_srgb))
    return pixels


def _on_white(image: Image.Image, to_srgb: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """Convert one strip to RGB; what is transparent becomes white, as on a blank page."""
    if not image.has_transparency_data:
        return to_srgb(_plain(image))
    image = image.convert("RGBA")
    page = Image.new("RGB", image.size, "white")
    page.paste(to_srgb(image.convert("RGB")), mask=image.getchannel("A"))
    return page


def _plain(image: Image.Image) -> Image.Image:
    """Bring an opaque image to one of the modes that colour profiles speak of."""
    if image.mode in _ICC_SPACES:
        return image
    if image.mode.startswith("I;16"):
        high_bytes = np.asarray(image) >> 8
        return Image.fromarray(high_bytes.astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ImageError(
            ErrorCode.UNSUPPORTED_FORMAT,
            "Images of 32 bits a channel are not supported; their white point is not known.",
        )
    return image.convert("L" if image.mode == "1" else "RGB")


def _icc_conversion(image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """Choose how to turn this image's colours into sRGB; a broken profile counts as none."""
    mode = "L" if image.mode in ("1", "L") or image.mode.startswith("I;16") else image.mode
    mode = mode if mode in _ICC_SPACES and not image.has_transparency_data else "RGB"
    profile = _embedded_profile(image, mode)
    if profile is None:
        return lambda strip: strip.convert("RGB")
    transform = ImageCms.buildTransform(profile, _SRGB, mode, "RGB")

    def convert(strip: Image.Image) -> Image.Image:
        converted = ImageCms.applyTransform(strip, transform)
        assert converted is not None  # noqa: S101 (only the in-place form returns None)
        return converted

    return convert


def _embedded_profile(image: Image.Image, mode: str) -> ImageCms.ImageCmsProfile | None:
    """Return the profile to convert from, None where the pixels are (or pass for) sRGB."""
    icc = image.info.get("icc_profile")
    fallback = _LAB if mode == "LAB" else None
    if not icc or len(icc) > _MAX_ICC_BYTES:
        return fallback
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        ImageCms.buildTransform(profile, _SRGB, mode, "RGB")
    except (OSError, ImageCms.PyCMSError):
        return fallback
    if profile.profile.xcolor_space != _ICC_SPACES[mode]:
        return fallback
    # Most profiles on the web say sRGB; converting sRGB to itself costs more than decoding.
    if mode == "RGB" and "sRGB" in (profile.profile.profile_description or ""):
        return None
    return profile


# Orientation ----------------------------------------------------------------------------------

# How to make each stored orientation upright (Exif 2.32, tag 0x0112).
_UPRIGHT: dict[int, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a),
}


def _orientation(image: Image.Image) -> int | None:
    """Read the EXIF orientation; broken EXIF has none."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # Pillow's EXIF parser raises much, and pixels are good without it
        return None
    return orientation if isinstance(orientation, int) else None


def _orient(pixels: NDArray[np.uint8], orientation: int | None) -> NDArray[np.uint8]:
    upright = _UPRIGHT.get(orientation or 1)
    return pixels if upright is None else np.ascontiguousarray(upright(pixels))
