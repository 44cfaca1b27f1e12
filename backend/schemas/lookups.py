"""Requests and replies of lookups. The reply to a list is that of checks."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from backend.schemas.texts import text_like
from models.verdict import DecidedBy, Label
from workers.fetching.urls import SHORTEST_PREFIX

MOST_LOOKUPS = 500

Sha256 = Annotated[str, *text_like("[0-9a-f]{64}", "must be 64 lower-case hex digits")]
"""A SHA-256 in lower-case hex."""


class LookupBody(BaseModel):
    """A lookup of URLs, or of files by hash: 1 to 500 in all."""

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
        description="SHA-256 of image files. Each item's `url` is `sha256:` and the hash.",
    )

    @model_validator(mode="after")
    def _some_and_not_too_many(self) -> Self:
        if not 1 <= len(self.urls) + len(self.sha256) <= MOST_LOOKUPS:
            raise ValueError(f"urls and sha256 must have 1 to {MOST_LOOKUPS} entries in all")
        return self


class PrefixPath(BaseModel):
    """The prefix of a URL's hash."""

    # Upper case is refused, so that HTTP caches store each response once.
    prefix: Annotated[
        str,
        *text_like(
            f"[0-9a-f]{{{SHORTEST_PREFIX},64}}",
            f"must be {SHORTEST_PREFIX} to 64 lower-case hex digits",
        ),
    ] = Field(
        description="The first 5 to 64 lower-case hex digits of the SHA-256 of a canonical URL.",
        json_schema_extra={"example": "3f2a9"},
    )


class HashedVerdict(BaseModel):
    """A verdict for a URL that is given by its hash only."""

    hash: str = Field(description="SHA-256 of the canonical URL, in lower-case hex.")
    label: Label
    probability: float = Field(
        ge=0,
        le=1,
        description="Calibrated probability that the image is AI-made, by its pixels alone.",
    )
    decided_by: DecidedBy = Field(default="pixels", description="What set the label.")
    model_version: str
    checked_at: datetime = Field(description="When the image was classified (UTC).")
    expires_at: datetime = Field(description="When the verdict expires (UTC).")


class PrefixReply(BaseModel):
    """All cached verdicts for URLs whose hash starts with the prefix."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "prefix": "5cd76",
                    "verdicts": [
                        {
                            "hash": "5cd76d96bc2f2aecf99356e54cb349c5"
                            "efb270c1cd0d030b78511575174af695",
                            "label": "ai",
                            "probability": 0.93,
                            "model_version": "2026-01-01.0123abcd",
                            "checked_at": "2026-01-02T03:04:05Z",
                            "expires_at": "2026-02-01T03:04:05Z",
                        }
                    ],
                }
            ]
        }
    )

    prefix: str
    verdicts: list[HashedVerdict] = Field(description="Ordered by hash.")
