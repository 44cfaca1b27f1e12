"""Requests and replies of lookups; the reply to a list is that of checks."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.verdict import Label
from workers.fetch.urls import SHORTEST_PREFIX

MOST_LOOKUPS = 500

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""A SHA-256 in lower-case hex."""


class LookupBody(BaseModel):
    """A question what is known of some URLs, or of some files by their bytes: 1 to 500 in all."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {"urls": ["https://example.com/photo.jpg"]},
                {"sha256": ["9b1d" + 60 * "0"]},
            ],
            "anyOf": [
                {"required": [name], "properties": {name: {"minItems": 1}}}
                for name in ("urls", "sha256")
            ],
        },
    )

    urls: list[str] = Field(default=[], max_length=MOST_LOOKUPS)
    sha256: list[Sha256] = Field(
        default=[],
        max_length=MOST_LOOKUPS,
        description="SHA-256 of image files; each item's `url` is `sha256:` and the hash.",
    )

    @model_validator(mode="after")
    def _some_and_not_too_many(self) -> Self:
        if not 1 <= len(self.urls) + len(self.sha256) <= MOST_LOOKUPS:
            raise ValueError(f"1 to {MOST_LOOKUPS} URLs and hashes in all are looked up")
        return self


class PrefixPath(BaseModel):
    """The beginning of a URL's hash."""

    # Upper case is refused, so that caches on the way keep each answer once.
    prefix: str = Field(
        pattern=rf"^[0-9a-f]{{{SHORTEST_PREFIX},64}}$",
        description="The first 5 to 64 lower-case hex digits of the SHA-256 of a canonical URL.",
        json_schema_extra={"example": "3f2a9"},
    )


class HashedVerdict(BaseModel):
    """A verdict on the image at a URL of which the hash is told alone."""

    hash: str = Field(description="SHA-256 of the canonical URL, in lower-case hex.")
    label: Label
    probability: float = Field(
        ge=0, le=1, description="Calibrated probability that the image is AI-made."
    )
    model_version: str
    checked_at: datetime = Field(description="When the image was judged (UTC).")
    expires_at: datetime = Field(description="When the verdict is forgotten (UTC).")


class PrefixReply(BaseModel):
    """Every verdict that is known of a URL whose hash begins so."""

    prefix: str
    verdicts: list[HashedVerdict] = Field(description="In the order of their hashes.")
