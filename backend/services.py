"""What the blueprints share: made once by the application factory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from flask import current_app

from backend.checking import Checker
from backend.operations import Operations
from workers.feedback import FeedbackStore
from workers.scans import ScanStore
from workers.spool import Spool
from workers.store import Store
from workers.turns import Turns


@dataclass(frozen=True)
class Services:
    """The parts behind the HTTP calls."""

    checker: Checker
    store: Store
    spool: Spool
    scans: ScanStore
    turns: Turns
    feedback: FeedbackStore
    operations: Operations


def services() -> Services:
    """Return the services of the application that handles this request."""
    return cast(Services, current_app.extensions["assay"])
