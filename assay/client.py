"""The client of Assay's HTTP API: needs pydantic and requests, and no part of the server."""

from backend.client import (
    Check,
    CheckItem,
    Client,
    FeedbackReply,
    HashedVerdict,
    ItemBody,
    RefusedError,
    ScanLine,
    ScanReply,
    ServerError,
    UnreachableError,
    Verdict,
    local_server,
    url_hash,
)

__all__ = [
    "Check",
    "CheckItem",
    "Client",
    "FeedbackReply",
    "HashedVerdict",
    "ItemBody",
    "RefusedError",
    "ScanLine",
    "ScanReply",
    "ServerError",
    "UnreachableError",
    "Verdict",
    "local_server",
    "url_hash",
]
