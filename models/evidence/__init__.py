"""Facts found in the file itself. They inform the reader; they never set the label."""

from __future__ import annotations

from contextlib import suppress

from models.container import take_apart
from models.errors import ImageError
from models.evidence import c2pa, metadata
from models.image import sniff
from models.verdict import Evidence


def find_evidence(data: bytes) -> tuple[Evidence, ...]:
    """Find what an image file says about its own making.

    Only what stands in its format's place for it counts: not what follows the end of the image, and
    no word in a caption, comment or description.

    Args:
        data: the whole file; one that ``models.image.decode`` refuses holds no evidence.

    Returns:
        Each fact once, in a stable order; empty where there is none.
    """
    try:
        name = sniff(data)
    except ImageError:
        return ()
    found: list[Evidence] = []
    for find in (c2pa.find, _metadata):
        # No file is refused for what it says beside its pixels.
        with suppress(Exception):
            found += find(data, name)
    return tuple(found)


def _metadata(data: bytes, name: str) -> tuple[Evidence, ...]:
    return metadata.find(take_apart(data, name))
