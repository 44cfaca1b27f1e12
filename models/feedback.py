"""What somebody says of an image that was judged, with the verdict that it contests."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from models.verdict import Verdict

Says = Literal["ai", "real"]
How = Literal["made_it", "maker_says", "found_original", "looks"]
"""How somebody knows: it is their own work; whoever made or published it says so; they found the
original or its source; or by its looks alone."""


class Feedback(BaseModel):
    """What one caller says of one image."""

    model_config = ConfigDict(frozen=True)

    owner: str
    """The caller; empty for all who need no key."""
    url: str | None = None
    """Canonical; None if only the bytes' hash was given."""
    says: Says
    how: How | None = None
    source: str | None = None
    comment: str | None = None
    verdict: Verdict
    """What is contested, as it was then."""
    received_at: datetime

    @property
    def sha256(self) -> str:
        """The image's."""
        return self.verdict.image.sha256

    @property
    def id(self) -> str:
        """The same for whatever this caller says of this image."""
        return feedback_id(self.owner, self.sha256)


def feedback_id(owner: str, sha256: str) -> str:
    """Return the id of what a caller says of an image."""
    return hashlib.sha256(f"{owner}/{sha256}".encode()).hexdigest()[:32]
