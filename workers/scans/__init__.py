"""Scans: many URLs under one id, from what was asked to what came of each. Knows no queue."""

from workers.scans.records import Request, ScanItem, ScanResult, ScanSummary, Work
from workers.scans.store import Listener, ScanLostError, ScanStore

__all__ = [
    "Listener",
    "Request",
    "ScanItem",
    "ScanLostError",
    "ScanResult",
    "ScanStore",
    "ScanSummary",
    "Work",
]
