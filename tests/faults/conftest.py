"""What every scenario has: a web site, and processes of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.faults.cluster import Cluster
from tests.faults.drive import Drive, through_a_scan, through_checks
from tests.faults.site import ImageSite

URLS = 2_000
"""URLs in flight when the fault comes."""

Through = Callable[[str, Sequence[str]], tuple[Drive, Callable[[], Drive]]]

both_roads = pytest.mark.parametrize(
    "through", [through_a_scan, through_checks], ids=["scan", "checks"]
)
"""For tests that hold for a scan of all URLs, and for checks of a hundred each."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give these tests, which take half a minute on an idle machine, the time of a busy one."""
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
