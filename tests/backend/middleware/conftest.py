"""An API with quotas."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient


@pytest.fixture
def limited(client_with: Callable[..., FlaskClient]) -> FlaskClient:
    return client_with(rate_limit="100/minute;250/day")
