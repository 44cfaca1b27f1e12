"""Bytes → verdict, and bytes → picture: the one path of the command line and the workers."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from models.ensemble import Ensemble, combine
from models.evidence import find_evidence
from models.image import decode
from models.overlay import draw
from models.report_pictures import LONGEST_IN_ROW, small_copy, small_map
from models.similarity import perceptual_hash
from models.verdict import ImageFacts, Verdict

DIGITS = 4
"""Digits of probabilities; further ones mean nothing."""


def classify(data: bytes, ensemble: Ensemble, verdict_ttl: float) -> Verdict:
    """Decode an image file and classify it.

    Args:
        data: the file's bytes.
        ensemble: the loaded members.
        verdict_ttl: seconds from now until the verdict expires.

    Raises:
        models.errors.ImageError: the bytes are not an image that can be classified.
    """
    image = decode(data)
    result = ensemble.classify(image.pixels)
    image_hash = perceptual_hash(image.pixels)
    evidence = find_evidence(data, image.alpha_text)
    label, decided_by = combine(result.label, result.probability, evidence)
    now = datetime.now(UTC)
    return Verdict(
        label=label,
        probability=round(result.probability, DIGITS),
        decided_by=decided_by,
        pixels=None if label is result.label else result.label,
        members={name: round(score, DIGITS) for name, score in result.members.items()},
        evidence=evidence,
        image=ImageFacts(
            sha256=hashlib.sha256(data).hexdigest(),
            width=image.width,
            height=image.height,
            format=image.format,
            frames=image.frames,
            perceptual_hash=None if image_hash is None else f"{image_hash:016x}",
        ),
        model_version=ensemble.version,
        checked_at=now,
        expires_at=now + timedelta(seconds=verdict_ttl),
    )


def explain(data: bytes, ensemble: Ensemble) -> bytes:
    """Return a PNG of an image file with the map of its parts.

    Args:
        data: the file's bytes.
        ensemble: judges the parts.

    Raises:
        models.errors.ImageError: the bytes are not an image that can be classified.
    """
    pixels = decode(data).pixels
    return draw(pixels, ensemble.map_parts(pixels))


class Pictures(NamedTuple):
    """The pictures of an image in a report, both JPEGs.

    Attributes:
        picture: a small copy.
        map: where it looks AI-made.
    """

    picture: bytes
    map: bytes


def illustrate(data: bytes, ensemble: Ensemble) -> Pictures:
    """Make the pictures of an image file for a report; as in `explain`.

    Raises:
        models.errors.ImageError: the bytes are not an image that can be classified.
    """
    pixels = decode(data).pixels
    return Pictures(small_copy(pixels), small_map(pixels, ensemble.map_parts(pixels)))


def thumbnail(data: bytes) -> bytes:
    """Return a JPEG of an image file for a row of a report; as in `explain`.

    Raises:
        models.errors.ImageError: the bytes are not an image that can be classified.
    """
    return small_copy(decode(data).pixels, LONGEST_IN_ROW)
