"""Evidence: facts found in the file itself. `models.ensemble.combine` weighs them."""

from __future__ import annotations

from contextlib import suppress

from models.container import parse_container
from models.errors import ImageError
from models.evidence import content_credentials, metadata
from models.evidence.stealth import read_alpha
from models.image import sniff
from models.verdict import Evidence


def find_evidence(data: bytes) -> tuple[Evidence, ...]:
    """Find what an image file states about its origin.

    Metadata counts only at the place that the format defines. Data after the end of the image, and
    words in a caption, comment or description, are ignored.

    Args:
        data: the whole file. A file that ``models.image.decode`` rejects has no evidence.

    Returns:
        Each fact once, in a stable order. Empty if there is none.
    """
    try:
        name = sniff(data)
    except ImageError:
        return ()
    found: list[Evidence] = []
    for find in (content_credentials.find, _metadata):
        # Broken metadata must not make a check fail.
        with suppress(Exception):
            found += find(data, name)
    return tuple(found)


def _metadata(data: bytes, name: str) -> tuple[Evidence, ...]:
    container = parse_container(data, name)
    alpha = ""
    with suppress(Exception):  # Pillow's decoders raise many types
        alpha = read_alpha(container.pixels, name)
    return metadata.find(container, alpha)
