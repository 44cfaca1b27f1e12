"""The services that blueprints use. The application factory creates them once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from celery import Celery
from flask import current_app

from backend.check_service import CheckService
from backend.exporter import Exporter
from backend.health import ReadinessCheck
from models.manifest import MemberRecord, Thresholds
from workers.scheduling.dispatch import Dispatcher
from workers.storage.stores import Stores
from workers.storage.uploads import Uploads
from workers.storage.usage import UsageStore


@dataclass(frozen=True)
class Services:
    """The services behind the HTTP calls."""

    checks: CheckService
    stores: Stores
    celery: Celery
    uploads: Uploads
    explanation_files: Uploads
    dispatcher: Dispatcher
    readiness: ReadinessCheck
    exporter: Exporter
    usage: UsageStore
    webhook_url: Callable[[str], str]
    """Returns the canonical form of a webhook's URL; raises `FetchError` if it is not allowed."""
    members: Sequence[MemberRecord]
    """The members that may judge an image."""
    thresholds: Thresholds
    """What separates the labels."""


def services() -> Services:
    """Return the services of the current application."""
    return cast(Services, current_app.extensions["assay"])
