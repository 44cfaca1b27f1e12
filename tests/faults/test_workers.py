"""Workers that are killed."""

from __future__ import annotations

from tests.conftest import until
from tests.faults.cluster import Cluster
from tests.faults.conftest import URLS
from tests.faults.drive import through_a_scan, through_checks, verify
from tests.faults.site import ImageSite


def test_a_judging_process_killed_five_times_costs_nothing(
    cluster: Cluster, images: ImageSite
) -> None:
    drive, end = through_checks(cluster.url, images.urls(URLS))
    for nth in range(1, 6):
        until(lambda n=nth: drive.ended >= n * 30, "some are judged", 600)  # type: ignore[misc]
        cluster.kill_a_judge()
    verify(cluster, end())


def test_a_whole_worker_killed_five_times_costs_nothing(
    cluster: Cluster, images: ImageSite
) -> None:
    drive, end = through_a_scan(cluster.url, images.urls(URLS))
    for nth in range(1, 6):
        until(lambda n=nth: drive.ended >= n * 30, "some are judged", 600)  # type: ignore[misc]
        cluster.restart_worker()
    verify(cluster, end())
