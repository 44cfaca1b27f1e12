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
from PIL import ExifTags, Image, ImageCms, ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from models.container import take_apart
from models.errors import ErrorCode, ImageError

MIN_SIDE = 64
MAX_SIDE = 16_384
MAX_PIXELS = 40_000_000

# A progressive JPEG visits its pixels once a scan: ten times as a rule, at times thirty.
_MAX_PIXEL_VISITS = 10**9
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
        width: pixels, ``min_side`` to 16,384, after the EXIF orientation was applied.
        height: pixels, ``min_side`` to 16,384, after the EXIF orientation was applied.
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
    "SVG": rb"(?:\xef\xbb\xbf)?\s*<(?:svg[\s>]|[?!](?!(?i:doctype\s+html)).{0,2048}?<svg[\s>])",
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


def decode(data: bytes, min_side: int = MIN_SIDE) -> DecodedImage:
    """Decode the first frame of an image file.

    Args:
        data: the whole file.
        min_side: pixels a side below which an image is refused; less than ``MIN_SIDE`` only where
            nothing is judged, as in reading a dataset of 32 px.

    Raises:
        ImageError: not_an_image, unsupported_format, too_small, too_many_pixels or corrupt_image.
    """
    name = sniff(data)
    try:
        container = take_apart(data, name)
        with Image.open(io.BytesIO(container.pixels), formats=[name.upper()]) as image:
            _check_size(*image.size, container.passes, min_side)
            _check_coding(image)
            image.load()
            pixels = _orient(_srgb_pixels(image), _orientation(image, container.exif))
    except (ImageError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels() from error
    except Exception as error:  # Pillow's decoders raise whatever their format's parsing met
        raise ImageError(ErrorCode.CORRUPT_IMAGE, f"The {name} file is damaged.") from error
    height, width, _ = pixels.shape
    return DecodedImage(pixels, width, height, name, container.frames)


def _check_size(width: int, height: int, passes: int, min_side: int) -> None:
    """Refuse what is too small to judge, or too much work to decode."""
    if width > MAX_SIDE or height > MAX_SIDE or width * height > MAX_PIXELS:
        raise _too_many_pixels()
    if width * height * passes > _MAX_PIXEL_VISITS:
        raise ImageError(ErrorCode.TOO_MANY_PIXELS, "The image has too many progressive scans.")
    if width < min_side or height < min_side:
        raise ImageError(
            ErrorCode.TOO_SMALL,
            f"The image is {width} × {height} pixels; {min_side} a side are needed.",
        )


def _check_coding(image: ImageFile.ImageFile) -> None:
    """Refuse what Pillow decodes in Python, at seconds for an image."""
    if any(tile.codec_name == "bmp_rle" for tile in image.tile):
        raise ImageError(
            ErrorCode.UNSUPPORTED_FORMAT, "Run-length encoded BMP images are not supported."
        )


def _too_many_pixels() -> ImageError:
    return ImageError(
        ErrorCode.TOO_MANY_PIXELS,
        f"The image has more than {MAX_PIXELS // 10**6} megapixels or {MAX_SIDE:,} pixels a side.",
    )


# Colour

_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
_LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))

# The colour space that a profile must be about (ICC.1:2022, table 19) to apply to a Pillow mode.
_ICC_SPACES = {"L": "GRAY", "RGB": "RGB ", "CMYK": "CMYK", "LAB": "Lab "}


def _srgb_pixels(image: Image.Image) -> NDArray[np.uint8]:
    """Convert a loaded image of any mode to an sRGB array, transparent parts on white."""
    to_srgb = _to_srgb(image)
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
    if _is_16_bit_grey(image) or not image.has_transparency_data:
        return to_srgb(_plain(image))
    image = image.convert("RGBA")
    page = Image.new("RGB", image.size, "white")
    page.paste(to_srgb(image.convert("RGB")), mask=image.getchannel("A"))
    return page


def _plain(image: Image.Image) -> Image.Image:
    """Bring an opaque image to one of the modes that colour profiles speak of."""
    if image.mode in _ICC_SPACES:
        return image
    if _is_16_bit_grey(image):
        high_bytes = np.asarray(image) >> 8
        return Image.fromarray(high_bytes.astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ImageError(
            ErrorCode.UNSUPPORTED_FORMAT,
            "Images of 32 bits a channel are not supported; their white point is not known.",
        )
    return image.convert("L" if image.mode == "1" else "RGB")


def _is_16_bit_grey(image: Image.Image) -> bool:
    return image.mode.startswith("I;16")


def _to_srgb(image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """Choose how strips of this image, once plain, become sRGB."""
    mode = "L" if image.mode == "1" or _is_16_bit_grey(image) else image.mode
    if mode not in _ICC_SPACES or image.has_transparency_data:
        mode = "RGB"
    transform = _icc_transform(image.info.get("icc_profile") or b"", mode)
    if transform is None:
        return lambda strip: strip.convert("RGB")
    return transform.apply


def _icc_transform(icc: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return what converts pixels of a mode to sRGB, None where they are sRGB or pass for it.

    A profile that is broken, or about another colour space than the pixels', counts as none.
    """
    if 0 < len(icc) <= _MAX_ICC_BYTES:
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            if profile.profile.xcolor_space == _ICC_SPACES[mode]:
                # Most profiles on the web are sRGB's; applying one takes as long as decoding.
                if "sRGB" in (profile.profile.profile_description or ""):
                    return None
                return ImageCms.buildTransform(profile, _SRGB, mode, "RGB")
        except (OSError, ImageCms.PyCMSError):
            pass
    return ImageCms.buildTransform(_LAB, _SRGB, "LAB", "RGB") if mode == "LAB" else None


# Orientation

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


def _orientation(image: Image.Image, exif: bytes) -> int | None:
    """Read the EXIF orientation; broken EXIF has none."""
    if isinstance(image, TiffImageFile):
        return None  # Pillow has turned it upright itself
    tags = Image.Exif()
    try:
        tags.load(exif)
        orientation = tags.get(ExifTags.Base.Orientation)
    except Exception:  # Pillow's EXIF parser raises much, and the pixels are good without it
        return None
    return orientation if isinstance(orientation, int) else None


def _orient(pixels: NDArray[np.uint8], orientation: int | None) -> NDArray[np.uint8]:
    upright = _UPRIGHT.get(orientation or 1)
    return pixels if upright is None else np.ascontiguousarray(upright(pixels))
