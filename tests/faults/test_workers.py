"""Workers that are killed."""

from __future__ import annotations

from tests.conftest import until
from tests.faults.cluster import Cluster
from tests.faults.conftest import URLS, Through, both_roads
from tests.faults.drive import verify
from tests.faults.site import ImageSite


@both_roads
def test_a_judging_process_killed_five_times_costs_nothing(
    cluster: Cluster, images: ImageSite, through: Through
) -> None:
    drive, end = through(cluster.url, images.urls(URLS))
    for nth in range(1, 6):
        until(lambda n=nth: drive.ended >= n * 200, "some are judged", 600)  # type: ignore[misc]
        cluster.kill_a_judge()
    verify(cluster, end())


@both_roads
def test_a_whole_worker_killed_five_times_costs_nothing(
    cluster: Cluster, images: ImageSite, through: Through
) -> None:
    drive, end = through(cluster.url, images.urls(URLS))
    for nth in range(1, 6):
        until(lambda n=nth: drive.ended >= n * 200, "some are judged", 600)  # type: ignore[misc]
        cluster.restart_worker()
    verify(cluster, end())
