"""Decodes untrusted bytes to an upright sRGB array within limits, or raises a typed error.

The file's magic bytes decide its format. Pillow may then use the decoder of that format only. The
size is checked from the header, before any pixel is decoded.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageChops, ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from models.colour import srgb_pixels
from models.container import Container, DamagedError, parse_container
from models.container.jpeg import with_filler
from models.container.png import without_checksum
from models.errors import ErrorCode, ImageError
from models.stealth import read_alpha

MIN_SIDE = 64
MAX_SIDE = 16_384
MAX_PIXELS = 40_000_000

# A progressive JPEG visits all pixels in each scan. Ten scans are common, thirty are rare.
_MAX_PIXEL_VISITS = 10**9
# Pillow warns about unusual files. Here only errors count.
warnings.filterwarnings("ignore", module=r"PIL\.")


@dataclass(frozen=True)
class DecodedImage:
    """An image ready to be classified.

    Attributes:
        pixels: uint8 array of shape (height, width, 3), upright, sRGB, C-contiguous.
        width: pixels, ``min_side`` to 16,384, after the EXIF orientation was applied.
        height: pixels, ``min_side`` to 16,384, after the EXIF orientation was applied.
        format: jpeg, png, webp, gif, avif, bmp or tiff.
        frames: number of frames in the file. ``pixels`` is the first.
        alpha_text: what a generator hid in the alpha channel; empty if there is nothing.
    """

    pixels: NDArray[np.uint8]
    width: int
    height: int
    format: str
    frames: int
    alpha_text: str


WEB_PAGE = "This is a web page, not an image. A scan of pages can check its images."
"""What the error says of HTML."""
SITE_MAP = "This is a site map or feed, not an image. A scan of pages can check its pages' images."
"""What the error says of XML that lists pages."""

# Magic bytes, from each format's specification. The list follows the WHATWG MIME Sniffing standard,
# section 6.1, and adds TIFF, AVIF and the valid header sizes of BMP.
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

_PROLOG = (
    rb"(?:\xef\xbb\xbf)?(?>\s+|<\?.{0,1024}?\?>|<!--.{0,2048}?-->|<!doctype\s+(?!html)[^>\[]{0,512}>)"
    rb"{0,16}+"
)
# The tags by which browsers recognise HTML (WHATWG MIME Sniffing, section 7.1), but for rare ones,
# and others that fragments begin with.
_HTML = re.compile(
    _PROLOG
    + rb"<(?:!doctype\s+html|html|head|body|title|script|style|meta|link|base|div|p|h[1-6]|img"
    rb"|picture|figure|section|main|header|nav|article|center|font|noscript|ul|table|span|a|b|br)"
    rb"[\s/>]",
    re.IGNORECASE | re.DOTALL,
)
_XML_LIST = re.compile(
    _PROLOG + rb"<(?:\w{1,16}:)?(?:urlset|sitemapindex|rss|feed|rdf)[\s>]",
    re.IGNORECASE | re.DOTALL,
)


def _compile(table: dict[str, bytes]) -> dict[str, re.Pattern[bytes]]:
    return {name: re.compile(pattern, re.DOTALL) for name, pattern in table.items()}


_SUPPORTED_MAGIC, _UNSUPPORTED_MAGIC = _compile(_SUPPORTED), _compile(_UNSUPPORTED)


def sniff(data: bytes) -> str:
    """Return the format by the magic bytes.

    Raises:
        ImageError: not_an_image, or unsupported_format for other image formats.
    """
    for name, magic in _SUPPORTED_MAGIC.items():
        if magic.match(data):
            return name
    if _HTML.match(data):  # before SVG, which may be a part of it
        raise ImageError(ErrorCode.NOT_AN_IMAGE, WEB_PAGE)
    if _XML_LIST.match(data):
        raise ImageError(ErrorCode.NOT_AN_IMAGE, SITE_MAP)
    for name, magic in _UNSUPPORTED_MAGIC.items():
        if magic.match(data):
            raise ImageError(ErrorCode.UNSUPPORTED_FORMAT, f"{name} images are not supported.")
    raise ImageError(ErrorCode.NOT_AN_IMAGE, "The file is not an image.")


def decode(data: bytes, min_side: int = MIN_SIDE) -> DecodedImage:
    """Decode the first frame of an image file.

    Args:
        data: the whole file.
        min_side: smallest side in pixels. Less than ``MIN_SIDE`` only for training data of 32 px.

    Raises:
        ImageError: not_an_image, unsupported_format, too_small, too_many_pixels or corrupt_image.
    """
    name = sniff(data)
    try:
        container = parse_container(data, name)
        with _open(container.pixels, name) as image:
            _check_size(*image.size, container.passes, min_side)
            _check_coding(image)
            orientation = _orientation(image, container.exif)
            loaded = _load(image, container, name)
            alpha_text = read_alpha(loaded)
            pixels = _orient(srgb_pixels(loaded, container.colours), orientation)
    except (ImageError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels() from error
    except Exception as error:  # Pillow's decoders raise many types
        raise ImageError(ErrorCode.CORRUPT_IMAGE, f"The {name} file is damaged.") from error
    height, width, _ = pixels.shape
    return DecodedImage(pixels, width, height, name, container.frames, alpha_text)


def _check_size(width: int, height: int, passes: int, min_side: int) -> None:
    """Reject images that are too small to classify or too expensive to decode."""
    if width > MAX_SIDE or height > MAX_SIDE or width * height > MAX_PIXELS:
        raise _too_many_pixels()
    if width * height * passes > _MAX_PIXEL_VISITS:
        raise ImageError(ErrorCode.TOO_MANY_PIXELS, "The image has too many progressive scans.")
    if width < min_side or height < min_side:
        raise ImageError(
            ErrorCode.TOO_SMALL,
            f"The image has {width} × {height} pixels. Each side needs at least {min_side}.",
        )


def _check_coding(image: ImageFile.ImageFile) -> None:
    """Reject codings that Pillow decodes in Python, which takes seconds for an image."""
    if any(tile.codec_name == "bmp_rle" for tile in image.tile):
        raise ImageError(
            ErrorCode.UNSUPPORTED_FORMAT, "Run-length encoded BMP images are not supported."
        )


def _too_many_pixels() -> ImageError:
    return ImageError(
        ErrorCode.TOO_MANY_PIXELS,
        f"The image has more than {MAX_PIXELS // 10**6} megapixels or {MAX_SIDE:,} pixels a side.",
    )


# Decoding


def _open(data: bytes, name: str) -> ImageFile.ImageFile:
    return Image.open(io.BytesIO(data), formats=[name.upper()])


def _load(image: ImageFile.ImageFile, container: Container, name: str) -> ImageFile.ImageFile:
    """Decode all pixels.

    Raises:
        DamagedError, OSError: some pixels are missing.
    """
    try:
        image.load()
    except OSError:
        if name != "png":
            raise
        # If only the final checksum is wrong, all rows are present.
        image = _open(without_checksum(container.pixels), name)
        image.load()
    if name == "jpeg" and (container.cut or _ends_in_grey(image)):
        _check_complete(image, container)
    return image


def _ends_in_grey(image: Image.Image) -> bool:
    """Say whether a JPEG's last block is mid-grey. libjpeg fills missing blocks that way."""
    width, height = image.size
    left, top = (side - 1 - (side - 1) % _BLOCK for side in (width, height))
    block = image.crop((left, top, width, height))
    if image.mode != "CMYK":
        block = block.convert("L")  # subsampled chroma of neighbours reaches into the block
    return bool(np.all(np.abs(np.asarray(block, np.int16) - 128) <= 2))


_BLOCK = 8  # pixels per side (ITU-T T.81 §A.1.1)


def _check_complete(image: Image.Image, container: Container) -> None:
    """Decode a JPEG again with filler bits at its end. They change the pixels if some are missing.

    Raises:
        DamagedError: pixels are missing.
    """
    width, height = image.size
    with _open(with_filler(container.pixels), "jpeg") as other:
        other.load()
        for top in range(0, height, _COMPARED_ROWS):
            strip = (0, top, width, min(top + _COMPARED_ROWS, height))
            if ImageChops.difference(image.crop(strip), other.crop(strip)).getbbox():
                raise DamagedError("The JPEG ends before its last pixels.")


_COMPARED_ROWS = 64


# Orientation

# The transformation to upright for each orientation (Exif 2.32, tag 0x0112).
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
    """Read the EXIF orientation. Broken EXIF is ignored."""
    if isinstance(image, TiffImageFile):
        return None  # Pillow has applied it already
    tags = Image.Exif()
    try:
        tags.load(exif)
        orientation = tags.get(ExifTags.Base.Orientation)
    except Exception:  # Pillow's EXIF parser raises many types. The pixels are good without it.
        return None
    return orientation if isinstance(orientation, int) else None


def _orient(pixels: NDArray[np.uint8], orientation: int | None) -> NDArray[np.uint8]:
    upright = _UPRIGHT.get(orientation or 1)
    return pixels if upright is None else np.ascontiguousarray(upright(pixels))
