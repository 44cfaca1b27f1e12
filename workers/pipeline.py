"""Bytes → verdict: the one path that the command line, uploads and tasks all take."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

from models.ensemble import Ensemble
from models.evidence import find_evidence
from models.image import decode
from models.verdict import ImageFacts, Verdict
from settings import get_settings

DIGITS = 4
"""Of probabilities; the next ones mean nothing."""


def judge_bytes(data: bytes, ensemble: Ensemble) -> Verdict:
    """Decode an image file and judge it.

    Args:
        data: the file's bytes.
        ensemble: the loaded members.

    Raises:
        models.errors.ImageError: the bytes are not an image that can be judged.
    """
    image = decode(data)
    judgement = ensemble.judge(image.pixels)
    now = datetime.now(UTC)
    return Verdict(
        label=judgement.label,
        probability=round(judgement.probability, DIGITS),
        members={name: round(score, DIGITS) for name, score in judgement.members.items()},
        evidence=find_evidence(data),
        image=ImageFacts(
            sha256=hashlib.sha256(data).hexdigest(),
            width=image.width,
            height=image.height,
            format=image.format,
            frames=image.frames,
        ),
        model_version=ensemble.version,
        checked_at=now,
        expires_at=now + timedelta(seconds=get_settings().verdict_ttl),
    )
