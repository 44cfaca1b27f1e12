"""A client of Assay's HTTP API. It needs pydantic and requests, and no part of the server."""

from backend.client.api_client import Check, Client, url_hash
from backend.client.api_connection import (
    LimitedError,
    RefusedError,
    ServerError,
    UnreachableError,
    local_server,
)
from backend.schemas.explanations import ExplanationReply
from backend.schemas.feedback import FeedbackReply
from backend.schemas.lookups import HashedVerdict
from backend.schemas.scans import ItemBody, ScanLine, ScanReply
from backend.schemas.usage import UsageReply
from models.verdict import CheckItem, Verdict

__all__ = [
    "Check",
    "CheckItem",
    "Client",
    "ExplanationReply",
    "FeedbackReply",
    "HashedVerdict",
    "ItemBody",
    "LimitedError",
    "RefusedError",
    "ScanLine",
    "ScanReply",
    "ServerError",
    "UnreachableError",
    "UsageReply",
    "Verdict",
    "local_server",
    "url_hash",
]
