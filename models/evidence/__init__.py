"""Facts found in the file itself. They inform the reader; they never set the label."""

from __future__ import annotations

from models.container import take_apart
from models.evidence import metadata
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
        container = take_apart(data, sniff(data))
    except Exception:  # no file is refused for what it says beside its pixels
        return ()
    return metadata.find(container)
