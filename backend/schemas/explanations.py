"""Requests and replies of explanations."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from backend.schemas.lookups import Sha256
from backend.schemas.texts import MAX_URL


class ExplanationPath(BaseModel):
    """The image."""

    sha256: Sha256 = Field(description="SHA-256 of the file's bytes, from its verdict.")


class ExplanationQuery(BaseModel):
    """Where the image is."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(
        max_length=MAX_URL, description="The image's URL. It is fetched again: none are kept."
    )
    page: str | None = Field(
        default=None,
        max_length=MAX_URL,
        description="The page that shows the image. Its server gets only the page's origin.",
    )


class ExplanationReply(BaseModel):
    """What a verdict rests on, in sentences."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "sha256": "9b1d" + 60 * "0",
                    "decided_by": "pixels",
                    "sentences": ["The pixels decided. Models asked: CLIP, first layers."],
                }
            ]
        }
    )

    sha256: str
    decided_by: str = Field(description="`pixels`, or `credentials` or `marks` in the file.")
    sentences: list[str] = Field(
        description="What decided, how often such a verdict was wrong, and what was not looked at."
    )


_FILE = {"type": "string", "format": "binary"}
REQUEST_BODY: dict[str, Any] = {
    "required": True,
    "description": "The file again, at most 20 MiB.",
    "content": {"image/*": {"schema": _FILE}, "application/octet-stream": {"schema": _FILE}},
}
"""The request body of the call for files."""
PICTURE: dict[str, Any] = {
    "description": "The image in grey under a map of colours, and a legend.",
    "content": {"image/png": {"schema": _FILE}},
}
"""The reply with the picture, for OpenAPI."""
