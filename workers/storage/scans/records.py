"""Scans and their items, as the API and the workers see them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field

from models.verdict import CheckItem


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
    total: int
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
    item: CheckItem

    @classmethod
    def of(cls, index: int, item: bytes, result: bytes | None) -> Self:
        """Read an item as it was written when the scan was created, and its result, if any."""
        url, _, custom_id = json.loads(item)
        found = json.loads(result) if result else {"status": "pending"}
        return cls(
            index=index,
            custom_id=custom_id,
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
    url: str
    address: str
    """The canonical URL."""
    since: float
    """Unix s. A cache entry from before this is too old."""
    created_at: float


class Request(NamedTuple):
    """The request that an idempotency key stands for."""

    scan_id: str
    fingerprint: str
