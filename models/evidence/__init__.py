"""Evidence: facts found in the file itself. They inform the reader and never set the label."""

from __future__ import annotations

from contextlib import suppress

from models.container import parse_container
from models.errors import ImageError
from models.evidence import content_credentials, metadata
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
    return metadata.find(parse_container(data, name))
