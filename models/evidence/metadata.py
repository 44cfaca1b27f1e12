"""Unsigned metadata: generators' settings, and the IPTC digital source type.

Anybody can write, copy or remove it, so it is never ``trusted``.
"""

from __future__ import annotations

import zlib

from PIL import ExifTags, Image

from models.container import Container
from models.evidence.generators import ALPHA, FIELDS, GIF_COMMENT, XMP_FIELDS, find_marks
from models.evidence.source_types import source_type
from models.evidence.xmp import read_properties
from models.verdict import Evidence

# Enough for the longest prompts and node graphs. Longer texts are truncated or not read.
_MAX_TEXT_BYTES = 2**20
_SOURCE_TYPE = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/ DigitalSourceType"


def find(container: Container, alpha: str = "") -> tuple[Evidence, ...]:
    """Read the metadata of an image file.

    Args:
        container: the file's parts.
        alpha: the text in the alpha channel.

    Returns:
        One fact for each generator found, then the IPTC digital source type.
    """
    tags = _exif_tags(container.exif)
    texts = _png_texts(container.texts)
    packet = container.xmp or _png_packet(texts) or tags.get(_TIFF_XMP)
    names = {_SOURCE_TYPE, *XMP_FIELDS.values()}
    properties = {
        **read_properties(container.more_xmp, names),
        **read_properties(packet if isinstance(packet, bytes) else b"", names),
    }
    fields = {f"PNG {keyword}": text for keyword, text in texts.items()}
    fields |= {f"EXIF {name}": _exif_text(tags.get(tag)) for name, tag in _EXIF_TEXTS.items()}
    fields |= {field: properties.get(name, "") for field, name in XMP_FIELDS.items()}
    fields |= {GIF_COMMENT: _decoded(container.comment[:_MAX_TEXT_BYTES]), ALPHA: alpha}
    return (
        *(_mark_of(generator, field) for generator, field in find_marks(fields)),
        *_source_type(properties.get(_SOURCE_TYPE)),
    )


def _mark_of(generator: str, field: str) -> Evidence:
    return Evidence(
        kind="generator_metadata",
        says="ai",
        detail=f"{generator} stored its settings in the file ({field}).",
        trusted=False,
        generator=generator,
    )


def _source_type(term: str | None) -> tuple[Evidence, ...]:
    kind = source_type(term)
    if kind is None or kind.says is None:
        return ()
    detail = f"The metadata says that the image was {kind.meaning} (IPTC digital source type)."
    return (Evidence(kind="iptc", says=kind.says, detail=detail, trusted=False),)


# PNG's text chunks (W3C PNG third edition, §11.3.3)

_PNG_XMP = "XML:com.adobe.xmp"
_PNG_PROFILE = "Raw profile type xmp"  # ImageMagick's: a name, a length, hex digits
_PNG_KEYWORDS = {_PNG_XMP, _PNG_PROFILE} | {
    field.removeprefix("PNG ") for field in FIELDS if field.startswith("PNG ")
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


def _png_packet(texts: dict[str, str]) -> bytes:
    if _PNG_XMP in texts:
        return texts[_PNG_XMP].encode(errors="replace")
    digits = "".join(texts.get(_PNG_PROFILE, "").split()[2:])
    try:
        return bytes.fromhex(digits)
    except ValueError:
        return b""


# EXIF (CIPA DC-008)

_TIFF_XMP = 700
_EXIF_TEXTS = {
    field.removeprefix("EXIF "): ExifTags.Base[field.removeprefix("EXIF ")]
    for field in FIELDS
    if field.startswith("EXIF ")
}
_CHARSETS = b"ASCII\0\0\0", b"JIS\0\0\0\0\0", b"UNICODE\0", bytes(8)


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
    """Decode a tag's text. The first 8 bytes of a UserComment name its charset, often wrongly."""
    if isinstance(value, str):
        return value
    if not isinstance(value, bytes):
        return ""
    text = value[8:] if value[:8] in _CHARSETS else value
    return _decoded(text[:_MAX_TEXT_BYTES])


def _decoded(text: bytes) -> str:
    """Decode UTF-8 or UTF-16 of either byte order, whichever it is."""
    try:
        decoded = text.rstrip(b"\0").decode("utf-8-sig")
        if "\0" not in decoded:
            return decoded
    except UnicodeDecodeError:
        pass
    if b"\0" not in text:
        return text.decode("latin-1")
    # In Latin text, the zero bytes show the byte order.
    big_endian = text[::2].count(0) > text[1::2].count(0)
    decoded = text.decode("utf-16-be" if big_endian else "utf-16-le", errors="replace")
    return decoded.removeprefix("\ufeff")
