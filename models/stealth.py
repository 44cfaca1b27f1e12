"""Settings that generators hide in the lowest bits of the alpha channel.

NovelAI and an extension of the Stable Diffusion WebUI (ashen-sensored/sd_webui_stealth_pnginfo)
write them so that they outlive the removal of metadata. The bits run down the columns, from left to
right: a signature, the length in bits (32 bits), the text in UTF-8.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_PLAIN, _COMPRESSED = b"stealth_pnginfo", b"stealth_pngcomp"
_HEADER = len(_PLAIN) + 4
# Generators make up to 3 megapixels. The alpha channel is copied for this.
_MAX_PIXELS = 4_000_000
_MAX_TEXT_BYTES = 2**20
_GZIP = zlib.MAX_WBITS + 16


def read_alpha(image: Image.Image) -> str:
    """Return the text in the alpha channel of a loaded PNG or WebP. Empty if there is none."""
    width, height = image.size
    if image.format not in ("PNG", "WEBP") or image.mode != "RGBA":
        return ""
    if not _HEADER * 8 <= width * height <= _MAX_PIXELS:
        return ""
    columns = np.asarray(image.getchannel("A")).T
    header = _first_bytes(columns, 0, _HEADER)
    signature, length = header[:-4], int.from_bytes(header[-4:]) // 8
    if signature not in (_PLAIN, _COMPRESSED) or length > _MAX_TEXT_BYTES:
        return ""
    body = _first_bytes(columns, _HEADER, length)
    if signature == _COMPRESSED:
        try:
            body = zlib.decompressobj(_GZIP).decompress(body, _MAX_TEXT_BYTES)
        except zlib.error:
            return ""
    return body.decode(errors="replace")


def _first_bytes(columns: NDArray[np.uint8], start: int, count: int) -> bytes:
    """Pack the lowest bits of some columns into bytes, from a byte on."""
    height = columns.shape[1]
    needed = columns[: -(-8 * (start + count) // height)]
    return np.packbits(needed.ravel()[8 * start : 8 * (start + count)] & 1).tobytes()
