"""A Valkey that is killed, and one that is full."""

from __future__ import annotations

from tests.conftest import until
from tests.faults.cluster import Cluster
from tests.faults.conftest import URLS
from tests.faults.drive import through_checks, verify
from tests.faults.site import ImageSite


def test_checks_survive_a_valkey_that_is_killed(cluster: Cluster, images: ImageSite) -> None:
    drive, end = through_checks(cluster.url, images.urls(URLS))
    for nth in range(1, 4):
        until(lambda n=nth: drive.ended >= n * 300, "some are judged", 120)  # type: ignore[misc]
        cluster.valkey.kill()
        cluster.start_valkey()
    verify(cluster, end())
