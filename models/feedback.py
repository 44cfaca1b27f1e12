"""Feedback on a verdict: what a user says about an image."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from models.verdict import Verdict

Says = Literal["ai", "real"]
How = Literal["made_it", "maker_says", "found_original", "looks"]
"""How the user knows: it is their own work, its maker or publisher says so, they found the original
or its source, or they go by the image's looks alone."""


class Feedback(BaseModel):
    """One caller's feedback on one image."""

    model_config = ConfigDict(frozen=True)

    owner: str
    """The caller's id. Empty for callers without a key."""
    url: str | None = None
    """The canonical URL. None if the feedback names only the SHA-256."""
    says: Says
    how: How | None = None
    source: str | None = None
    comment: str | None = None
    verdict: Verdict
    """The contested verdict, as it was at that time."""
    received_at: datetime

    @property
    def sha256(self) -> str:
        """The image's SHA-256."""
        return self.verdict.image.sha256

    @property
    def id(self) -> str:
        """The id: one per caller and image. Newer feedback replaces older."""
        return feedback_id(self.owner, self.sha256)


def feedback_id(owner: str, sha256: str) -> str:
    """Return the id of a caller's feedback on an image."""
    return hashlib.sha256(f"{owner}/{sha256}".encode()).hexdigest()[:32]
