"""Requests and replies of feedback."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from backend.schemas.checks import VERDICT
from backend.schemas.lookups import Sha256
from models.feedback import Feedback, How, Says
from models.verdict import Verdict

LONGEST_SOURCE, LONGEST_COMMENT = 500, 1000


class FeedbackBody(BaseModel):
    """What somebody knows about a checked image, given by URL or by SHA-256 of its bytes."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {
                    "url": "https://example.com/photo.jpg",
                    "says": "real",
                    "how": "made_it",
                    "comment": "I took it in 2019.",
                }
            ],
            "oneOf": [
                {
                    "required": [name],
                    "properties": {name: {"type": "string"}, other: {"type": "null"}},
                }
                for name, other in (("url", "sha256"), ("sha256", "url"))
            ],
        },
    )

    url: str | None = None
    sha256: Sha256 | None = None
    says: Says = Field(description="What the image is.")
    how: How | None = Field(
        default=None,
        description="How you know: `made_it`: it is your own work; `maker_says`: its maker or "
        "publisher says so; `found_original`: you found the original or its source; "
        "`looks`: from how it looks.",
    )
    source: str | None = Field(
        default=None,
        max_length=LONGEST_SOURCE,
        description="Where this can be verified, such as a URL.",
    )
    comment: str | None = Field(default=None, max_length=LONGEST_COMMENT)

    @model_validator(mode="after")
    def _one_image(self) -> Self:
        if (self.url is None) == (self.sha256 is None):
            raise ValueError("either url or sha256 is needed")
        return self


class FeedbackReply(BaseModel):
    """The stored feedback. It helps to train the next models and changes no verdict."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "04f3" + 28 * "0",
                    "url": "https://example.com/photo.jpg",
                    "says": "real",
                    "how": "made_it",
                    "verdict": VERDICT,
                    "received_at": "2026-01-02T03:05:00Z",
                }
            ]
        }
    )

    id: str = Field(description="One per caller and image.")
    url: str | None = Field(default=None, description="Canonical.")
    says: Says
    how: How | None = None
    source: str | None = None
    comment: str | None = None
    verdict: Verdict = Field(description="The contested verdict.")
    received_at: datetime

    @classmethod
    def of(cls, feedback: Feedback) -> Self:
        """Make a reply, without the feedback's owner."""
        return cls(id=feedback.id, **feedback.model_dump(exclude={"owner"}))
