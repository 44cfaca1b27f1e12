"""Requests of lookups; the reply is that of checks."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class LookupBody(BaseModel):
    """A question what is known of some URLs."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"urls": ["https://example.com/photo.jpg"]}]},
    )

    urls: list[str] = Field(min_length=1, max_length=500)
