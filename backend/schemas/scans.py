"""Requests and replies of scans."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.verdict import CheckItem, Label

if TYPE_CHECKING:  # a client needs the forms below, and no Redis
    from workers.scans import ScanResult, ScanSummary

MOST_URLS = 50_000
LONGEST_CUSTOM_ID = 256


class ItemBody(BaseModel):
    """One image of a scan."""

    model_config = ConfigDict(extra="forbid")

    url: str
    custom_id: str | None = Field(
        default=None, max_length=LONGEST_CUSTOM_ID, description="Your own name for it."
    )


class ScanBody(BaseModel):
    """A scan in JSON: `urls`, or `items` where the images have names of your own."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"urls": ["https://example.com/photo.jpg"]},
                {"items": [{"url": "https://example.com/photo.jpg", "custom_id": "article-7"}]},
            ],
            "oneOf": [{"required": ["urls"]}, {"required": ["items"]}],
        },
    )

    urls: list[str] = Field(default=[], min_length=1, max_length=MOST_URLS)
    items: list[ItemBody] = Field(default=[], min_length=1, max_length=MOST_URLS)
    force: bool = Field(default=False, description="Fetch again what is known already.")


class CreateQuery(BaseModel):
    """How a list is to be read and judged."""

    column: str | None = Field(
        default=None,
        min_length=1,
        max_length=256,
        description="The CSV column or JSON Lines key that holds the URLs; `url` if none.",
    )
    force: bool = Field(default=False, description="Fetch again what is known already.")


class CreateHeader(BaseModel):
    """What makes a request safe to be sent again (draft-ietf-httpapi-idempotency-key-header)."""

    idempotency_key: str | None = Field(
        default=None,
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]{1,255}$",
        description="Any text of your own; the same request with the same key is the same scan.",
    )


class ScanPath(BaseModel):
    """The path of one scan."""

    id: str = Field(pattern=r"^[0-9a-f]{32}$")


class ResultsQuery(BaseModel):
    """Which results, in what form and order."""

    format: Literal["jsonl", "csv"] | None = Field(
        default=None, description="Unset: as `Accept` says, and else JSON Lines."
    )
    order: Literal["input", "finished"] = Field(
        default="input", description="`finished` leaves out what is pending."
    )
    label: list[Label] | None = Field(default=None, description="Only verdicts of these labels.")
    status: list[Literal["done", "pending", "failed"]] | None = Field(
        default=None, description="Only items of these states."
    )
    follow: bool = Field(
        default=False,
        description="Stay until the scan has ended; in the order of finishing. "
        "Empty lines keep the connection open.",
    )

    @model_validator(mode="after")
    def _follow_in_order_of_finishing(self) -> Self:
        if self.follow and self.order != "finished":
            raise ValueError("follow needs order=finished")
        return self

    def wants(self, item: CheckItem) -> bool:
        """Tell whether the item is among those asked for."""
        label = item.verdict.label if item.verdict else None
        return (self.status is None or item.status in self.status) and (
            self.label is None or label in self.label
        )


class ScanCounts(BaseModel):
    """Items by their state."""

    total: int
    pending: int
    done: int = Field(description="Those with a verdict.")
    failed: int
    cancelled: int


class ScanLinks(BaseModel):
    """Where to ask for more."""

    self: str
    results: str
    events: str


class ScanReply(BaseModel):
    """How far a scan is."""

    id: str
    status: Literal["running", "done", "cancelled"]
    counts: ScanCounts
    labels: dict[str, int] = Field(description="Verdicts by their label.")
    rate: float | None = Field(
        description="Items a second, since the scan was made; null until one has ended."
    )
    eta: float | None = Field(description="Seconds until all have ended, at this rate.")
    created_at: datetime
    finished_at: datetime | None = None
    expires_at: datetime | None = Field(
        default=None, description="When it is forgotten; known when it has ended."
    )
    links: ScanLinks

    @classmethod
    def of(cls, summary: ScanSummary, now: float) -> Self:
        """Tell of a scan.

        Args:
            summary: the scan.
            now: Unix s.
        """
        ended = summary.done + summary.failed
        seconds = (summary.finished_at or now) - summary.created_at
        rate = ended / seconds if ended and seconds > 0 else None
        path = f"/v1/scans/{summary.id}"
        return cls(
            id=summary.id,
            status=summary.status,
            counts=ScanCounts(
                total=summary.total,
                pending=summary.pending,
                done=summary.done,
                failed=summary.failed,
                cancelled=summary.cancelled,
            ),
            labels={label: summary.labels.get(label, 0) for label in Label},
            rate=rate and round(rate, 3),
            eta=0 if summary.pending == 0 else rate and round(summary.pending / rate, 1),
            created_at=_time(summary.created_at),
            finished_at=summary.finished_at and _time(summary.finished_at),
            expires_at=summary.expires_at and _time(summary.expires_at),
            links=ScanLinks(self=path, results=f"{path}/results", events=f"{path}/events"),
        )


class ScanLine(CheckItem):
    """One item of a scan; a line of its results."""

    index: int = Field(description="Its place in the list, from 0.")
    custom_id: str | None = None

    @classmethod
    def of(cls, result: ScanResult) -> Self:
        """Make the line of a result."""
        item = result.item
        return cls(
            url=item.url,
            status=item.status,
            verdict=item.verdict,
            error=item.error,
            index=result.index,
            custom_id=result.custom_id,
        )


def _time(unix: float) -> datetime:
    return datetime.fromtimestamp(unix, UTC)


_LIST = {"type": "string"}
REQUEST_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": ScanBody.model_json_schema(ref_template="#/components/schemas/{model}")
        },
        "application/jsonl": {
            "schema": _LIST,
            "example": '{"url": "https://example.com/photo.jpg", "custom_id": "article-7"}\n',
        },
        "application/x-ndjson": {"schema": _LIST},
        "text/csv": {
            "schema": _LIST,
            "example": "custom_id,url\narticle-7,https://example.com/photo.jpg\n",
        },
        "text/plain": {"schema": _LIST, "example": "https://example.com/photo.jpg\n"},
    },
}
"""The forms of `POST /v1/scans`; `backend.intake` reads them."""

RESULTS: dict[str, Any] = {
    "description": "One line an item.",
    "content": {
        "application/jsonl": {"schema": _LIST},
        "text/csv": {"schema": _LIST},
    },
}
