"""Fuzz one target: ``python -m tests.fuzz.run decode CORPUS… [libFuzzer's options]``.

A crash, an exception other than those that are promised, too long a time or too much memory ends
the run, and the input that did it is saved where ``-artifact_prefix`` says.
"""

from __future__ import annotations

import struct
import sys
import warnings
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import atheris

with atheris.instrument_imports(
    include=["models", "PIL", "workers.pages", "workers.fetching.urls", "protego"]
):
    from models.container import Container, DamagedError, parse_container
    from models.errors import CheckError, ImageError
    from models.evidence import find_evidence, metadata
    from models.image import decode
    from workers.fetching.urls import canonical_url
    from workers.pages.document import Expected, read_document
    from workers.pages.images import MOST_IMAGES
    from workers.pages.robots import allows

_PAGE = "https://example.com/a/page.html"
_EXPECTED: tuple[Expected, ...] = ("any", "site map", "page")


def decode_target(data: bytes) -> None:
    """Whatever the bytes are, they are an image or an `ImageError`."""
    with suppress(ImageError):
        image = decode(data)
        assert image.pixels.shape == (image.height, image.width, 3)


def metadata_target(data: bytes) -> None:
    """Whatever a file says beside its pixels, reading it raises nothing."""
    find_evidence(data)
    for name in ("jpeg", "png", "gif", "webp", "tiff"):
        with suppress(DamagedError):
            parse_container(data, name)
    kind, text = data[:4], data[4:]
    metadata.find(Container(b"", exif=data))
    metadata.find(
        Container(b"", xmp=data, more_xmp=data, comment=data), alpha=text.decode("latin-1")
    )
    metadata.find(Container(b"", texts=((kind, text), (b"zTXt", text), (b"iTXt", text))))


def pages_target(data: bytes) -> None:
    """Whatever a site sends, what is read from it are URLs that may be fetched."""
    for expected in _EXPECTED:
        with suppress(CheckError):
            document = read_document(data, _PAGE, expected=expected, content_type="text/html")
            assert len(document.images.found) <= MOST_IMAGES
            named = [url for key in document.images.found for url in key]
            for url in {*named, *document.site_maps, *document.pages}:
                assert canonical_url(url) == url
    allows(data.decode("utf-8-sig", "replace"), _PAGE)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "decode": decode_target,
    "metadata": metadata_target,
    "pages": pages_target,
}


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """Change the data at random; half of all PNGs get the checksums that they should have."""
    changed: bytes = atheris.Mutate(data, len(data))[:max_size]
    return with_right_checksums(changed) if seed % 2 else changed


def with_right_checksums(data: bytes) -> bytes:
    """Give every chunk of a PNG its right checksum, for else no change gets past the first."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    fixed = bytearray(data)
    position = 8
    while position + 12 <= len(fixed):
        (length,) = struct.unpack_from(">I", fixed, position)
        end = position + 8 + length
        if end + 4 > len(fixed):
            break
        struct.pack_into(">I", fixed, end, zlib.crc32(fixed[position + 4 : end]))
        position = end + 4
    return bytes(fixed)


def main(arguments: list[str]) -> None:
    """Fuzz the target that the first argument names; libFuzzer takes the rest."""
    program, name, *options = arguments
    for folder in options:
        if not folder.startswith("-"):
            Path(folder).mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")
    atheris.Setup([program, *options], TARGETS[name], custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
