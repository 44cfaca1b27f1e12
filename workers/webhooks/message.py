"""The message of a webhook: the end of a scan, signed with the secret that its owner got."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel

from models.verdict import Label
from workers.storage.scans.records import ScanSummary

_PREFIX = "whsec_"
_SECRET_BYTES = 32
"""Standard Webhooks requires 24 to 64."""


class Counts(BaseModel):
    """Items by their state."""

    total: int
    done: int
    failed: int
    cancelled: int


class Links(BaseModel):
    """Paths on the server that runs the scan."""

    self: str
    results: str


class ScanData(BaseModel):
    """The scan, without its items."""

    id: str
    status: Literal["done", "cancelled"]
    counts: Counts
    labels: dict[str, int]
    created_at: datetime
    finished_at: datetime
    expires_at: datetime
    links: Links


class Message(BaseModel):
    """The body of a webhook; the same in each attempt."""

    type: Literal["scan.done", "scan.cancelled"]
    timestamp: datetime
    """When the scan ended."""
    data: ScanData


def new_secret() -> str:
    """Make a secret in the form of Standard Webhooks: ``whsec_`` and base64."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def message_id(scan_id: str) -> str:
    """Return the id of the scan's only message, by which a receiver recognises a duplicate."""
    return f"scan_{scan_id}"


def body_of(scan: ScanSummary) -> bytes:
    """Return the message about a scan that has ended."""
    path = f"/v1/scans/{scan.id}"
    finished_at = _time(scan.finished_at)
    message = Message.model_validate(
        {
            "type": f"scan.{scan.status}",
            "timestamp": finished_at,
            "data": {
                "id": scan.id,
                "status": scan.status,
                "counts": {
                    "total": scan.total,
                    "done": scan.done,
                    "failed": scan.failed,
                    "cancelled": scan.cancelled,
                },
                "labels": {label: scan.labels.get(label, 0) for label in Label},
                "created_at": _time(scan.created_at),
                "finished_at": finished_at,
                "expires_at": _time(scan.expires_at),
                "links": {"self": path, "results": f"{path}/results"},
            },
        }
    )
    return message.model_dump_json().encode()


def signed(secret: str, identity: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the three headers with which the receiver verifies a message.

    Args:
        secret: as `new_secret` made it.
        identity: the message's id; without a full stop.
        timestamp: of this attempt, Unix s.
        body: the message.
    """
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    content = f"{identity}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
    return {
        "webhook-id": identity,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{signature}",
    }


def _time(unix: float | None) -> datetime:
    return datetime.fromtimestamp(unix or 0, UTC)
