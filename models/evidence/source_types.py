"""The terms of the IPTC digital source type, and what they say about an image's origin."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from models.verdict import Origin


class SourceType(NamedTuple):
    """A term for an image's origin.

    Attributes:
        rank: of two terms about parts of one image, the higher one holds for the whole.
        origin: the class of the term.
        says: ``ai`` or ``real``. None if the term says neither.
        meaning: completes "the image was …".
    """

    rank: int
    origin: Origin
    says: Literal["ai", "real"] | None
    meaning: str


GENERATED = SourceType(9, "generated", "ai", "created by a generative model")
COMPOSITE = SourceType(8, "composite_with_ai", "ai", "composed with generated elements")
EDITED = SourceType(7, "edited_with_ai", "ai", "edited with a generative model")
_MADE = SourceType(5, "created", None, "made by people or programs")

# IPTC's vocabulary, cv.iptc.org/newscodes/digitalsourcetype, and c2pa.org/digitalsourcetype.
# algorithmicMedia is not AI: IPTC defines it as made "purely by an algorithm not based on any
# sampled training data", such as fractals and rendered charts.
_SOURCE_TYPES = {
    "trainedAlgorithmicMedia": GENERATED,
    "trainedAlgorithmicData": GENERATED,
    "compositeSynthetic": COMPOSITE,
    "compositeWithTrainedAlgorithmicMedia": EDITED,
    "algorithmicMedia": _MADE,
    "algorithmicallyEnhanced": _MADE,
    "composite": _MADE,
    "dataDrivenMedia": _MADE,
    "digitalArt": _MADE,
    "digitalCreation": _MADE,
    "screenCapture": _MADE,
    "softwareImage": _MADE,
    "virtualRecording": _MADE,
    "print": SourceType(4, "created", "real", "digitised from a print"),
    "compositeCapture": SourceType(3, "captured", "real", "composed of captures"),
    "negativeFilm": SourceType(2, "captured", "real", "digitised from a negative"),
    "positiveFilm": SourceType(2, "captured", "real", "digitised from a positive"),
    "computationalCapture": SourceType(
        2, "captured", "real", "captured by a camera that combines exposures"
    ),
    "digitalCapture": SourceType(1, "captured", "real", "captured by a digital camera"),
    "humanEdits": SourceType(0, "created", "real", "edited by a person without generative tools"),
    "minorHumanEdits": SourceType(0, "created", "real", "edited slightly by a person"),
}
_BY_FOLDED_TERM = {term.casefold(): kind for term, kind in _SOURCE_TYPES.items()}
_TERM = re.compile(
    r"(?:https?://(?:cv\.iptc\.org/newscodes|c2pa\.org)/digitalsourcetype/|digsrctype:)?(\w+)/?",
    re.IGNORECASE,
)


def source_type(term: object) -> SourceType | None:
    """Look up a term, given as a word or as a URL, in any case. Return None if it is unknown."""
    match = _TERM.fullmatch(term.strip()) if isinstance(term, str) else None
    return _BY_FOLDED_TERM.get(match[1].casefold()) if match else None
