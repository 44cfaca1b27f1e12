"""What is said of scans: to those who ask for them, and to the workers that serve them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from models.verdict import CheckItem


class ScanItem(NamedTuple):
    """One URL of a scan, as its owner gave it."""

    url: str
    custom_id: str | None = None


class ScanSummary(BaseModel):
    """How far a scan is. What is in none of the three counts is pending."""

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

    @property
    def pending(self) -> int:
        """Items without a result."""
        return self.total - self.done - self.failed - self.cancelled


class ScanResult(BaseModel):
    """One item of a scan, with what came of it."""

    model_config = ConfigDict(frozen=True)

    index: int = Field(description="Its place in the scan, from 0.")
    custom_id: str | None = None
    item: CheckItem


@dataclass(frozen=True, slots=True)
class Work:
    """One item that a worker has taken."""

    scan_id: str
    index: int
    url: str
    address: str
    """The canonical URL."""
    since: float
    """Unix s; what was known before this does not count."""
    created_at: float


class Request(NamedTuple):
    """What an idempotency key stands for."""

    scan_id: str
    fingerprint: str
