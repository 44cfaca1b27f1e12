"""Evidence: facts found in the file itself. `models.ensemble.combine` weighs them."""

from __future__ import annotations

from contextlib import suppress

from models.container import parse_container
from models.errors import ImageError
from models.evidence import content_credentials, metadata
from models.image import sniff
from models.verdict import Evidence


def find_evidence(data: bytes, alpha_text: str = "") -> tuple[Evidence, ...]:
    """Find what an image file states about its origin.

    Metadata counts only at the place that the format defines. Data after the end of the image, and
    words in a caption, comment or description, are ignored.

    Args:
        data: the whole file. A file that ``models.image.decode`` rejects has no evidence.
        alpha_text: what `decode` found in the alpha channel.

    Returns:
        Each fact once, in a stable order. Empty if there is none.
    """
    try:
        name = sniff(data)
    except ImageError:
        return ()
    found: list[Evidence] = []
    # Broken metadata must not make a check fail.
    with suppress(Exception):
        found += content_credentials.find(data, name)
    with suppress(Exception):
        found += metadata.find(parse_container(data, name), alpha_text)
    return tuple(found)
