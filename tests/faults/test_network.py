"""Half of the web is gone."""

from __future__ import annotations

from collections import Counter

from tests.conftest import until
from tests.faults.cluster import Cluster
from tests.faults.conftest import URLS
from tests.faults.drive import through_a_scan, verify
from tests.faults.site import ImageSite

ERRORS = {"timeout", "connect_failure"}


def test_half_of_the_hosts_that_vanish_cost_their_own_urls_only(
    cluster: Cluster, images: ImageSite
) -> None:
    drive, end = through_a_scan(cluster.url, images.urls(URLS))
    until(lambda: drive.ended >= 40, "some are judged", 600)
    gone = images.hosts[::2]
    for number, how in enumerate(("silent", "resets", "refuses", "unreachable")):
        images.fall_ill(gone[number::4], how)  # type: ignore[arg-type]
    verify(cluster, end())
    failed: Counter[str] = Counter()
    for url, item in drive.items.items():
        if item["status"] == "failed":
            failed[url.split("/")[2]] += 1
            assert item["error"]["code"] in ERRORS
    assert set(failed) <= set(gone), "who is well is judged"
    assert set(failed) == set(gone)
