"""Requests and replies of scans."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from backend.schemas.texts import Id, text_like
from models.verdict import CheckItem, Label

if TYPE_CHECKING:  # the client uses these schemas without Redis
    from workers.storage.scans.records import ScanResult, ScanSummary

MOST_URLS = 50_000
LONGEST_CUSTOM_ID = 256
MOST_PAGES = 5_000
Kind = Literal["images", "pages"]
KIND = "What the URLs are: images, or web pages, site maps and feeds whose images are checked."
WEBHOOK = "An https URL that gets a signed POST when the scan has ended."
MOST_LISTED = 100
"""Scans in one reply."""


def most_urls(kind: Kind) -> int:
    """Return how many URLs a scan of this kind can be given."""
    return MOST_PAGES if kind == "pages" else MOST_URLS


class ItemBody(BaseModel):
    """One image of a scan."""

    model_config = ConfigDict(extra="forbid")

    url: str
    custom_id: str | None = Field(
        default=None, max_length=LONGEST_CUSTOM_ID, description="Your own id for it."
    )


class ScanBody(BaseModel):
    """A scan in JSON: `urls`, or `items` with ids of your own."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"urls": ["https://example.com/photo.jpg"]},
                {"items": [{"url": "https://example.com/photo.jpg", "custom_id": "article-7"}]},
                {"kind": "pages", "urls": ["https://example.com/sitemap.xml"]},
            ],
            "oneOf": [{"required": ["urls"]}, {"required": ["items"]}],
        },
    )

    urls: list[str] = Field(default=[], min_length=1, max_length=MOST_URLS)
    items: list[ItemBody] = Field(default=[], min_length=1, max_length=MOST_URLS)
    kind: Kind = Field(default="images", description=KIND)
    force: bool = Field(default=False, description="Ignore cached verdicts and fetch again.")
    webhook: str | None = Field(default=None, description=WEBHOOK)


class CreateQuery(BaseModel):
    """Options of a new scan."""

    column: str | None = Field(
        default=None,
        min_length=1,
        max_length=256,
        description="The column or JSON Lines key with the URLs. "
        "Default: `url` or another usual name.",
    )
    kind: Kind = Field(default="images", description=KIND)
    force: bool = Field(default=False, description="Ignore cached verdicts and fetch again.")
    webhook: str | None = Field(default=None, description=WEBHOOK)


class CreateHeader(BaseModel):
    """Makes a request safe to repeat (draft-ietf-httpapi-idempotency-key-header)."""

    idempotency_key: (
        Annotated[
            str, *text_like(r"[\x21-\x7e]{1,255}", "must be 1 to 255 visible ASCII characters")
        ]
        | None
    ) = Field(
        default=None,
        alias="Idempotency-Key",
        description="Any text. Repeating a request with the same key returns the same scan.",
    )


class ScanPath(BaseModel):
    """The path of one scan."""

    id: Id


class ListQuery(BaseModel):
    """A page of the caller's scans."""

    limit: int = Field(default=20, ge=1, le=MOST_LISTED, description="Maximum number of scans.")
    before: (
        Annotated[str, *text_like("[0-9a-f]{48}", "must be from `next` of another page")] | None
    ) = Field(default=None, description="Start of the page, from `next` of the previous page.")


class ResultsQuery(BaseModel):
    """Which results, in what form and order."""

    format: Literal["jsonl", "csv"] | None = Field(
        default=None, description="Default: from `Accept`, or JSON Lines."
    )
    order: Literal["input", "finished"] = Field(
        default="input", description="`finished` omits pending items."
    )
    label: list[Label] | None = Field(default=None, description="Only verdicts with these labels.")
    status: list[Literal["done", "pending", "failed"]] | None = Field(
        default=None, description="Only items with these states."
    )
    follow: bool = Field(
        default=False,
        description="Stream results until the scan has ended. Needs `order=finished`. "
        "Empty lines keep the connection open.",
    )

    @model_validator(mode="after")
    def _follow_in_order_of_finishing(self) -> Self:
        if self.follow and self.order != "finished":
            raise ValueError("follow needs order=finished")
        return self

    def wants(self, item: CheckItem) -> bool:
        """Return whether the item matches `status` and `label`."""
        label = item.verdict.label if item.verdict else None
        return (self.status is None or item.status in self.status) and (
            self.label is None or label in self.label
        )


class ScanCounts(BaseModel):
    """Number of items per state."""

    total: int
    pending: int
    done: int = Field(description="Those with a verdict.")
    failed: int
    cancelled: int


class PageCounts(BaseModel):
    """Number of pages, site maps and feeds."""

    found: int = Field(description="Those known so far. It grows while site maps are read.")
    read: int


class ScanLinks(BaseModel):
    """Paths of the scan's calls."""

    self: str
    results: str
    events: str


class WebhookReply(BaseModel):
    """State of a webhook's delivery."""

    status: Literal["pending", "delivered", "failed"]
    attempts: int
    last_status: int | None = Field(
        description="HTTP status of the last attempt's response, if there was one."
    )
    last_error: str | None = Field(
        description="Error code of the last attempt, if there was no response."
    )
    secret: str | None = Field(
        default=None,
        exclude_if=lambda secret: secret is None,
        description="Verifies signatures. Only the reply that creates the scan has it.",
    )


SCAN: dict[str, Any] = {
    "id": "64b7" + 28 * "0",
    "status": "running",
    "counts": {"total": 9, "pending": 3, "done": 5, "failed": 1, "cancelled": 0},
    "labels": {"ai": 2, "uncertain": 1, "real": 2},
    "rate": 8.5,
    "eta": 0.4,
    "created_at": "2026-01-02T03:04:05Z",
    "links": {
        "self": f"/v1/scans/64b7{28 * '0'}",
        "results": f"/v1/scans/64b7{28 * '0'}/results",
        "events": f"/v1/scans/64b7{28 * '0'}/events",
    },
}
"""An example for the replies."""


class ScanReply(BaseModel):
    """A scan's progress."""

    model_config = ConfigDict(json_schema_extra={"examples": [SCAN]})

    id: str
    status: Literal["running", "done", "cancelled"]
    counts: ScanCounts
    pages: PageCounts | None = Field(
        default=None,
        exclude_if=lambda pages: pages is None,
        description="Only in a scan of pages. Until all are read, `counts.total` grows; "
        "a page that is not read counts as one pending item.",
    )
    labels: dict[str, int] = Field(description="Number of verdicts per label.")
    rate: float | None = Field(
        description="Finished items per second since the scan was created; null before the first."
    )
    eta: float | None = Field(
        description="Seconds until all items have finished, at this rate; "
        "null while pages are read."
    )
    created_at: datetime
    finished_at: datetime | None = None
    expires_at: datetime | None = Field(
        default=None, description="When the results are deleted; known when the scan has ended."
    )
    links: ScanLinks
    webhook: WebhookReply | None = Field(
        default=None,
        exclude_if=lambda webhook: webhook is None,
        description="Missing if the scan has no webhook.",
    )

    @classmethod
    def of(cls, summary: ScanSummary, now: float) -> Self:
        """Make a reply.

        Args:
            summary: the scan.
            now: the current time (Unix s).
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
            pages=PageCounts(found=summary.pages, read=summary.pages - summary.pages_left)
            if summary.kind == "pages"
            else None,
            labels={label: summary.labels.get(label, 0) for label in Label},
            rate=rate and round(rate, 3),
            eta=_eta(summary.pending, None if summary.pages_left else rate),
            created_at=_time(summary.created_at),
            finished_at=summary.finished_at and _time(summary.finished_at),
            expires_at=summary.expires_at and _time(summary.expires_at),
            links=ScanLinks(self=path, results=f"{path}/results", events=f"{path}/events"),
            webhook=summary.webhook and WebhookReply(**summary.webhook.model_dump()),
        )


class ScanList(BaseModel):
    """The caller's scans, the newest first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"scans": [SCAN], "next": None}]},
    )

    scans: list[ScanReply]
    next: str | None = Field(description="Path of the next page; null on the last one.")


class ScanLine(CheckItem):
    """An item of a scan; a line of its results."""

    index: int = Field(description="Position in the list, from 0.")
    custom_id: str | None = None
    page: str | None = Field(
        default=None, description="The page that shows the image, in a scan of pages."
    )
    place: str | None = Field(
        default=None,
        description="Where on the page it stands, as in `img 3, og:image`; missing if the line is "
        "about the page itself.",
    )

    @classmethod
    def of(cls, result: ScanResult) -> Self:
        """Make a line."""
        item = result.item
        return cls(
            url=item.url,
            status=item.status,
            verdict=item.verdict,
            error=item.error,
            index=result.index,
            custom_id=result.custom_id,
            page=result.page,
            place=result.place,
        )


def _eta(pending: int, rate: float | None) -> float | None:
    return 0 if pending == 0 else rate and round(pending / rate, 1)


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
"""The request body of `POST /v1/scans` for OpenAPI. `backend.scan_parser` parses it."""

RESULTS: dict[str, Any] = {
    "description": "One line per item.",
    "content": {
        "application/jsonl": {
            "schema": _LIST,
            "example": '{"url": "https://example.com/a.jpg", "status": "pending", "index": 0}\n',
        },
        "text/csv": {"schema": _LIST},
    },
}
