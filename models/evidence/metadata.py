"""What generators and photo software write beside the pixels: settings, EXIF, XMP.

None of it is signed: anybody may write, copy or remove it, so it is never ``trusted``.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from PIL import ExifTags, Image

from models.container import Container
from models.evidence.source_types import source_type
from models.evidence.xmp import read_property
from models.verdict import Evidence

# Enough for the longest prompts and node graphs; what is longer is cut, or not read.
_MAX_TEXT_BYTES = 2**20


class _Sign(NamedTuple):
    """A text that only one generator writes, and where it writes it."""

    place: str
    pattern: re.Pattern[str]
    generator: str


def _sign(place: str, pattern: str, generator: str) -> _Sign:
    return _Sign(place, re.compile(pattern), generator)


# The source of each row is the generator's own code, where it saves an image.
_SIGNS = (
    # AUTOMATIC1111/stable-diffusion-webui, modules/images.py, save_image_with_geninfo
    _sign("PNG parameters", r"(?:^|\n)Steps: \d+, .*Sampler: ", "Stable Diffusion WebUI"),
    _sign("EXIF UserComment", r"(?:^|\n)Steps: \d+, .*Sampler: ", "Stable Diffusion WebUI"),
    # comfyanonymous/ComfyUI, nodes.py (SaveImage), comfy_extras/nodes_images.py (SaveAnimatedWEBP)
    _sign("PNG prompt", r'"class_type"\s*:', "ComfyUI"),
    _sign("PNG workflow", r'"nodes"\s*:', "ComfyUI"),
    _sign("EXIF Model", r'^prompt:\{.*"class_type"\s*:', "ComfyUI"),
    _sign("EXIF Make", r'^workflow:\{.*"nodes"\s*:', "ComfyUI"),
    # invoke-ai/InvokeAI, services/image_files; before version 3 ldm/invoke/pngwriter.py
    _sign("PNG invokeai_metadata", r"^\s*\{", "InvokeAI"),
    _sign("PNG invokeai_graph", r"^\s*\{", "InvokeAI"),
    _sign("PNG sd-metadata", r"^\s*\{", "InvokeAI"),
    _sign("PNG Dream", r" -s ?\d+ ", "InvokeAI"),
    # NovelAI's code is closed; every reader of its files knows them by this name
    _sign("PNG Software", r"^NovelAI$", "NovelAI"),
    _sign("EXIF Software", r"^NovelAI$", "NovelAI"),
    # lllyasviel/Fooocus, modules/private_logger.py
    _sign("PNG fooocus_scheme", r"^(?:fooocus|a1111)$", "Fooocus"),
    # mcmonkeyprojects/SwarmUI, src/Utils/Image.cs
    _sign("PNG parameters", r'^\s*\{\s*"sui_image_params"\s*:', "SwarmUI"),
    _sign("EXIF UserComment", r'^\s*\{\s*"sui_image_params"\s*:', "SwarmUI"),
)


def find(container: Container) -> tuple[Evidence, ...]:
    """Read the metadata of an image file.

    Args:
        container: the file's parts.

    Returns:
        One fact for each generator that left a sign, then the IPTC digital source type.
    """
    tags = _exif_tags(container.exif)
    texts = _png_texts(container.texts)
    packet = container.xmp or texts.get(_PNG_XMP, "").encode() or tags.get(_TIFF_XMP)
    places = {f"PNG {keyword}": text for keyword, text in texts.items()}
    places |= {f"EXIF {name}": _exif_text(tags.get(tag)) for name, tag in _EXIF_TEXTS.items()}
    return (*_generators(places), *_source_type(packet if isinstance(packet, bytes) else b""))


def _generators(places: dict[str, str]) -> Iterator[Evidence]:
    seen: set[str] = set()
    for sign in _SIGNS:
        if sign.generator not in seen and sign.pattern.search(places.get(sign.place, "")):
            seen.add(sign.generator)
            yield Evidence(
                kind="generator_metadata",
                says="ai",
                detail=f"{sign.generator} left its settings in the file ({sign.place}).",
                trusted=False,
            )


# PNG's text chunks (W3C PNG third edition, §11.3.3)

_PNG_XMP = "XML:com.adobe.xmp"
_PNG_KEYWORDS = {_PNG_XMP} | {
    sign.place.removeprefix("PNG ") for sign in _SIGNS if sign.place.startswith("PNG ")
}


def _png_texts(chunks: tuple[tuple[bytes, bytes], ...]) -> dict[str, str]:
    """Decode the first text under each keyword that can be evidence."""
    texts: dict[str, str] = {}
    for kind, body in chunks:
        name, _, rest = body.partition(b"\0")
        keyword = name.decode("latin-1")
        if keyword not in _PNG_KEYWORDS or keyword in texts:
            continue
        if kind == b"iTXt":  # keyword, 0, compressed?, method, language, 0, keyword again, 0, text
            compressed = rest[:1] == b"\1"
            text = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
        else:
            compressed = kind == b"zTXt"
            text = rest[1:] if compressed else rest
        if compressed:
            text = _decompress(text)
        texts[keyword] = text[:_MAX_TEXT_BYTES].decode(
            "utf-8" if kind == b"iTXt" else "latin-1", errors="replace"
        )
    return texts


def _decompress(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, _MAX_TEXT_BYTES)
    except zlib.error:
        return b""


# EXIF (CIPA DC-008)

_TIFF_XMP = 700
_EXIF_TEXTS = {
    "Make": ExifTags.Base.Make,
    "Model": ExifTags.Base.Model,
    "Software": ExifTags.Base.Software,
    "UserComment": ExifTags.Base.UserComment,
}


def _exif_tags(block: bytes) -> dict[int, object]:
    """Return the tags of the image and of its EXIF directory; broken EXIF has none."""
    if not block:
        return {}
    exif = Image.Exif()
    try:
        exif.load(block)
        return {**exif, **exif.get_ifd(ExifTags.IFD.Exif)}
    except Exception:  # Pillow's EXIF parser raises much
        return {}


def _exif_text(value: object) -> str:
    """Decode a tag's text; a UserComment says its encoding in its first 8 bytes."""
    if isinstance(value, str):
        return value
    if not isinstance(value, bytes):
        return ""
    encoding, text = value[:8], value[8 : 8 + _MAX_TEXT_BYTES]
    if encoding != b"UNICODE\0":
        return text.decode(errors="replace")
    # Nothing says the byte order; of Latin letters, the half that is 0 tells.
    big_endian = text[::2].count(0) > text[1::2].count(0)
    return text.decode("utf-16-be" if big_endian else "utf-16-le", errors="replace")


# XMP

_SOURCE_TYPE = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/ DigitalSourceType"


def _source_type(packet: bytes) -> Iterator[Evidence]:
    if kind := source_type(read_property(packet, _SOURCE_TYPE) or ""):
        yield Evidence(
            kind="iptc",
            says=kind.says,
            detail=f"The file says that it was {kind.meaning} (IPTC digital source type).",
            trusted=False,
        )
