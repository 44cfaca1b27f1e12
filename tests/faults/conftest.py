"""What every scenario has: a web site, and processes of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.cluster import Cluster
from tests.faults.site import ImageSite

URLS = 2_000
"""URLs in flight when the fault comes."""


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
