"""Requests and replies of checks. Lookups and uploads have the same reply."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from backend.schemas.texts import MAX_URL, Id
from models.verdict import CheckItem

MOST_URLS = 100
LONGEST_WAIT = 20.0
"""Seconds; below the time limits of common proxies and browsers."""

VERDICT: dict[str, Any] = {
    "label": "ai",
    "probability": 0.93,
    "decided_by": "pixels",
    "members": {"clip_shallow": 0.93},
    "evidence": [],
    "image": {
        "sha256": "9b1d" + 60 * "0",
        "width": 1024,
        "height": 768,
        "format": "jpeg",
        "frames": 1,
    },
    "model_version": "2026-01-01.0123abcd",
    "checked_at": "2026-01-02T03:04:05Z",
    "expires_at": "2026-02-01T03:04:05Z",
    "cached": True,
}
"""An example for the replies."""
ITEM: dict[str, Any] = {
    "url": "https://example.com/photo.jpg",
    "status": "done",
    "verdict": VERDICT,
}


class CheckBody(BaseModel):
    """A request to check images by their URLs."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [{"urls": ["https://example.com/photo.jpg"], "wait": 10}],
        },
    )

    urls: list[str] = Field(min_length=1, max_length=MOST_URLS)
    wait: float = Field(
        default=0, ge=0, le=LONGEST_WAIT, description="Seconds to wait for pending items."
    )
    page: str | None = Field(
        default=None,
        max_length=MAX_URL,
        description="The page that shows the images. Servers of images get only its origin.",
    )
    force: bool = Field(default=False, description="Ignore cached verdicts and fetch again.")


class CheckPath(BaseModel):
    """The path of one check."""

    id: Id


class CheckQuery(BaseModel):
    """How to read a check."""

    wait: float = Field(default=0, ge=0, le=LONGEST_WAIT)


class CheckEvent(CheckItem):
    """An item of a check that is done or has failed; the data of an `item` event."""

    index: int = Field(description="Position in the request, from 0.")


class CheckReply(BaseModel):
    """One item per URL, in the order of the request."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"id": "4fed" + 28 * "0", "status": "done", "items": [ITEM]}]
        }
    )

    id: str | None = Field(default=None, description="The check's id; a lookup has none.")
    status: Literal["done", "pending"]
    items: list[CheckItem]
