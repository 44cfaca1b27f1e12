"""Requests and replies of checks; the reply serves lookups and uploads too."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from models.verdict import CheckItem
from workers.queue import Queue

MOST_URLS = 100
LONGEST_WAIT = 20.0
"""Seconds; below common proxies' and browsers' time limits."""


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
        default=0, ge=0, le=LONGEST_WAIT, description="Seconds to wait for what is not yet known."
    )
    page: str | None = Field(
        default=None,
        max_length=8192,
        description="The page that shows the images. Its origin alone is told to their servers.",
    )
    force: bool = Field(default=False, description="Fetch again what is known already.")
    queue: Queue = Field(
        default="interactive", description="`bulk` lets everyone who waits go first."
    )


class CheckPath(BaseModel):
    """The path of one check."""

    id: str = Field(pattern=r"^[0-9a-f]{32}$")


class CheckQuery(BaseModel):
    """How to ask for a check again."""

    wait: float = Field(default=0, ge=0, le=LONGEST_WAIT)


class CheckEvent(CheckItem):
    """One URL of a check that is done or has failed; the data of an `item` event."""

    index: int = Field(description="Its place in the request, from 0.")


class CheckReply(BaseModel):
    """One item for each URL, in the order of the request."""

    id: str | None = Field(default=None, description="Asks for the same again; a lookup has none.")
    status: Literal["done", "pending"]
    items: list[CheckItem]
