"""An API without workers. The tests do their work, so they decide what finishes when."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from backend import scan_service
from workers.storage.scans import Scans


@pytest.fixture
def app(app_with: Callable[..., Flask]) -> Flask:
    return app_with()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def scans(app: Flask) -> Scans:
    return app.extensions["assay"].stores.scans  # type: ignore[no-any-return]


@pytest.fixture
def in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_service, "MIN_INTERVAL", 0.0)
