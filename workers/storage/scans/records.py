"""Scans and their items, as the API and the workers see them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field

from models.verdict import CheckItem

Kind = Literal["images", "pages"]
"""What the URLs of a scan are."""
Expected = Literal["any", "site map", "page"]
"""What a page of a scan may be. Only what its owner names may be anything."""

MOST_ITEMS = 50_000
"""Of a scan, with those that its pages add."""
MOST_PAGES = 5_000
"""Of a scan of pages, with those of its site maps and feeds."""


class ScanItem(NamedTuple):
    """One URL of a scan, as its owner gave it."""

    url: str
    custom_id: str | None = None


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where the end of a scan is reported."""

    url: str
    """Canonical."""
    secret: str = field(repr=False)
    """Signs the messages; never logged."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The quota that pays for what the pages of a scan add."""

    quota: str
    """Such as ``100000/day``."""
    subject: str
    """Who pays."""


@dataclass(frozen=True, slots=True)
class PageImage:
    """An image of a page."""

    url: str
    """Canonical."""
    page: str
    place: str


class Delivery(BaseModel):
    """The state of a webhook's delivery."""

    model_config = ConfigDict(frozen=True)

    status: Literal["pending", "delivered", "failed"] = "pending"
    attempts: int = 0
    last_status: int | None = Field(
        default=None, description="The HTTP status of the last attempt's answer."
    )
    last_error: str | None = Field(
        default=None, description="The error code of the last attempt, if it had no answer."
    )


class ScanSummary(BaseModel):
    """The progress of a scan. Items in none of the three counts are pending."""

    model_config = ConfigDict(frozen=True)

    id: str
    owner: str = Field(description="The id of the caller who made it.")
    status: Literal["running", "done", "cancelled"]
    force: bool
    created_at: float = Field(description="Unix s.")
    finished_at: float | None = Field(
        default=None, description="When the last item got its result (Unix s)."
    )
    expires_at: float | None = Field(
        default=None, description="When an ended scan is forgotten (Unix s)."
    )
    kind: Kind = "images"
    pages: int = Field(default=0, description="Pages found so far, with site maps and feeds.")
    pages_left: int = Field(default=0, description="Those that are not read yet.")
    total: int = Field(description="Items so far; a page counts as one until it is read.")
    done: int = Field(description="Items that have a verdict.")
    failed: int
    cancelled: int
    labels: dict[str, int] = Field(description="Verdicts by their label.")
    webhook: Delivery | None = Field(default=None, exclude_if=lambda webhook: webhook is None)

    @classmethod
    def of(cls, scan_id: str, raw: dict[bytes, bytes], webhook: Delivery | None) -> Self:
        """Read the hash of a scan, as `workers.storage.keys` describes it."""
        state = {name.decode(): value.decode() for name, value in raw.items()}
        return cls.model_validate(
            {
                "done": 0,
                "cancelled": 0,
                **state,
                "id": scan_id,
                "status": state["state"],
                "labels": {
                    name.removeprefix("label:"): int(count)
                    for name, count in state.items()
                    if name.startswith("label:")
                },
                "webhook": webhook,
            }
        )

    @property
    def pending(self) -> int:
        """Items without a result."""
        return self.total - self.done - self.failed - self.cancelled


class ScanResult(BaseModel):
    """One item of a scan, with its result."""

    model_config = ConfigDict(frozen=True)

    index: int = Field(description="Its place in the scan, from 0.")
    custom_id: str | None = None
    page: str | None = None
    place: str | None = None
    item: CheckItem

    @classmethod
    def of(cls, index: int, item: bytes, result: bytes | None) -> Self:
        """Read an item as it was written when the scan was created, and its result, if any."""
        url, _, custom_id, *more = json.loads(item)
        page, place = {0: (None, None), 1: (url, None)}.get(len(more)) or more
        found = json.loads(result) if result else {"status": "pending"}
        return cls(
            index=index,
            custom_id=custom_id,
            page=page,
            place=place,
            item=CheckItem.model_validate({"url": url, **found}),
        )


def result_json(item: CheckItem) -> str:
    """Return an item's result as JSON, without its URL, which is kept with the item."""
    return item.model_dump_json(exclude={"url"}, exclude_none=True)


@dataclass(frozen=True, slots=True)
class TakenItem:
    """One item that a worker has taken."""

    scan_id: str
    index: int
    """Negative for a page."""
    url: str
    address: str
    """The canonical URL."""
    since: float
    """Unix s. A cache entry from before this is too old."""
    created_at: float
    custom_id: str | None = None
    expected: Expected | None = None
    """What it may be, if it is a page."""
    of_page: bool = False
    """Whether it is an image that was found on a page."""

    @classmethod
    def of(cls, scan_id: str, index: int, item: bytes, since: float, created_at: float) -> Self:
        """Read an item as it is written in the scan."""
        url, address, custom_id, *more = json.loads(item)
        expected = more[0] if len(more) == 1 else None
        return cls(
            *(scan_id, index, url, address, since, created_at, custom_id, expected),
            of_page=len(more) == 2,
        )


class Request(NamedTuple):
    """The request that an idempotency key stands for."""

    scan_id: str
    fingerprint: str
