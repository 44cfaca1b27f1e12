"""The terms of the IPTC digital source type, and what they say about an image's origin."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple


class SourceType(NamedTuple):
    """A term for an image's origin.

    Attributes:
        says: ``ai`` or ``real``.
        meaning: completes "the image was …".
    """

    says: Literal["ai", "real"]
    meaning: str


# IPTC's vocabulary, cv.iptc.org/newscodes/digitalsourcetype. Terms that say neither are left out.
_SOURCE_TYPES = {
    "trainedAlgorithmicMedia": SourceType("ai", "created by a generative model"),
    "compositeWithTrainedAlgorithmicMedia": SourceType("ai", "edited with a generative model"),
    "compositeSynthetic": SourceType("ai", "composed with generated elements"),
    "algorithmicMedia": SourceType("ai", "created by an algorithm"),
    "digitalCapture": SourceType("real", "captured by a digital camera"),
    "computationalCapture": SourceType("real", "captured by a camera that combines exposures"),
    "negativeFilm": SourceType("real", "digitised from a negative"),
    "positiveFilm": SourceType("real", "digitised from a positive"),
    "print": SourceType("real", "digitised from a print"),
    "compositeCapture": SourceType("real", "composed of captures"),
    "humanEdits": SourceType("real", "edited by a person without generative tools"),
    "minorHumanEdits": SourceType("real", "edited slightly by a person"),
}
_TERM = re.compile(r"(?:https?://cv\.iptc\.org/newscodes/digitalsourcetype/)?(\w+)/?")


def source_type(term: str) -> SourceType | None:
    """Look up a term, given as a word or as a URL. Return None if it says neither."""
    match = _TERM.fullmatch(term)
    return _SOURCE_TYPES.get(match[1]) if match else None
