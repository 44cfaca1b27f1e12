"""Fixtures of every scenario: a web site, and processes of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.cluster import Cluster
from tests.faults.site import ImageSite

URLS = 200
"""URLs in flight when the fault comes."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Raise the time limit of these tests, which take half a minute on an idle machine."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(1200))


@pytest.fixture
def images() -> Iterator[ImageSite]:
    """A site of sixteen hosts."""
    with ImageSite() as site:
        yield site


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A Valkey, a worker of two processes and an API."""
    with Cluster(tmp_path) as running:
        yield running
