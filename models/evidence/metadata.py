"""Metadata of generators and photo software: settings, EXIF, XMP.

None of it is signed. Anybody can write, copy or remove it, so it is never ``trusted``.
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

# Enough for the longest prompts and node graphs. Longer texts are truncated or not read.
_MAX_TEXT_BYTES = 2**20


class _Signature(NamedTuple):
    """A pattern in a metadata field that only one generator writes."""

    field: str
    pattern: re.Pattern[str]
    generator: str


def _signature(field: str, pattern: str, generator: str) -> _Signature:
    return _Signature(field, re.compile(pattern), generator)


# The source of each row is the generator's own code for saving images.
_SIGNATURES = (
    # AUTOMATIC1111/stable-diffusion-webui, modules/images.py, save_image_with_geninfo
    _signature("PNG parameters", r"(?:^|\n)Steps: \d+, .*Sampler: ", "Stable Diffusion WebUI"),
    _signature("EXIF UserComment", r"(?:^|\n)Steps: \d+, .*Sampler: ", "Stable Diffusion WebUI"),
    # comfyanonymous/ComfyUI, nodes.py (SaveImage), comfy_extras/nodes_images.py (SaveAnimatedWEBP)
    _signature("PNG prompt", r'"class_type"\s*:', "ComfyUI"),
    _signature("PNG workflow", r'"nodes"\s*:', "ComfyUI"),
    _signature("EXIF Model", r'^prompt:\{.*"class_type"\s*:', "ComfyUI"),
    _signature("EXIF Make", r'^workflow:\{.*"nodes"\s*:', "ComfyUI"),
    # invoke-ai/InvokeAI, services/image_files; before version 3 ldm/invoke/pngwriter.py
    _signature("PNG invokeai_metadata", r"^\s*\{", "InvokeAI"),
    _signature("PNG invokeai_graph", r"^\s*\{", "InvokeAI"),
    _signature("PNG sd-metadata", r"^\s*\{", "InvokeAI"),
    _signature("PNG Dream", r" -s ?\d+ ", "InvokeAI"),
    # NovelAI's code is closed. Other readers of its files use this name.
    _signature("PNG Software", r"^NovelAI$", "NovelAI"),
    _signature("EXIF Software", r"^NovelAI$", "NovelAI"),
    # lllyasviel/Fooocus, modules/private_logger.py
    _signature("PNG fooocus_scheme", r"^(?:fooocus|a1111)$", "Fooocus"),
    # mcmonkeyprojects/SwarmUI, src/Utils/Image.cs
    _signature("PNG parameters", r'^\s*\{\s*"sui_image_params"\s*:', "SwarmUI"),
    _signature("EXIF UserComment", r'^\s*\{\s*"sui_image_params"\s*:', "SwarmUI"),
)


def find(container: Container) -> tuple[Evidence, ...]:
    """Read the metadata of an image file.

    Args:
        container: the file's parts.

    Returns:
        One fact for each generator found, then the IPTC digital source type.
    """
    tags = _exif_tags(container.exif)
    texts = _png_texts(container.texts)
    packet = container.xmp or texts.get(_PNG_XMP, "").encode() or tags.get(_TIFF_XMP)
    fields = {f"PNG {keyword}": text for keyword, text in texts.items()}
    fields |= {f"EXIF {name}": _exif_text(tags.get(tag)) for name, tag in _EXIF_TEXTS.items()}
    return (*_generators(fields), *_source_type(packet if isinstance(packet, bytes) else b""))


def _generators(fields: dict[str, str]) -> Iterator[Evidence]:
    seen: set[str] = set()
    for field, pattern, generator in _SIGNATURES:
        if generator not in seen and pattern.search(fields.get(field, "")):
            seen.add(generator)
            yield Evidence(
                kind="generator_metadata",
                says="ai",
                detail=f"{generator} stored its settings in the file ({field}).",
                trusted=False,
            )


# PNG's text chunks (W3C PNG third edition, §11.3.3)

_PNG_XMP = "XML:com.adobe.xmp"
_PNG_KEYWORDS = {_PNG_XMP} | {
    each.field.removeprefix("PNG ") for each in _SIGNATURES if each.field.startswith("PNG ")
}


def _png_texts(chunks: tuple[tuple[bytes, bytes], ...]) -> dict[str, str]:
    """Decode the first text for each relevant keyword."""
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
    """Return the tags of the image and of its EXIF directory. Broken EXIF is ignored."""
    if not block:
        return {}
    exif = Image.Exif()
    try:
        exif.load(block)
        return {**exif, **exif.get_ifd(ExifTags.IFD.Exif)}
    except Exception:  # Pillow's EXIF parser raises many types
        return {}


def _exif_text(value: object) -> str:
    """Decode a tag's text. The first 8 bytes of a UserComment name its encoding."""
    if isinstance(value, str):
        return value
    if not isinstance(value, bytes):
        return ""
    encoding, text = value[:8], value[8 : 8 + _MAX_TEXT_BYTES]
    if encoding != b"UNICODE\0":
        return text.decode(errors="replace")
    # The byte order is not stated. In Latin text, the zero bytes show it.
    big_endian = text[::2].count(0) > text[1::2].count(0)
    return text.decode("utf-16-be" if big_endian else "utf-16-le", errors="replace")


# XMP

_SOURCE_TYPE = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/ DigitalSourceType"


def _source_type(packet: bytes) -> Iterator[Evidence]:
    if kind := source_type(read_property(packet, _SOURCE_TYPE) or ""):
        yield Evidence(
            kind="iptc",
            says=kind.says,
            detail=f"The metadata says that the image was {kind.meaning}"
            " (IPTC digital source type).",
            trusted=False,
        )
