"""A Valkey that is killed, and one that is full."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import requests

from tests.conftest import until
from tests.faults.cluster import Cluster
from tests.faults.conftest import URLS
from tests.faults.drive import through_a_scan, through_both, verify
from tests.faults.site import ImageSite


def test_a_valkey_killed_three_times_costs_nothing(cluster: Cluster, images: ImageSite) -> None:
    drive, end = through_both(cluster.url, images.urls(URLS))
    for nth in range(1, 4):
        until(lambda n=nth: drive.ended >= n * 40, "some are judged", 600)  # type: ignore[misc]
        cluster.valkey.kill()
        cluster.start_valkey()
    verify(cluster, end())


@pytest.mark.parametrize("away", [0, 3], ids=["for a moment", "until the work is done"])
def test_a_worker_outlives_a_valkey_that_goes_while_half_of_it_works(
    cluster: Cluster, images: ImageSite, away: float
) -> None:
    images.delay = 3
    _, end = through_a_scan(cluster.url, images.urls(1))
    until(lambda: images.hits.total() > 0, "one process has work, the other waits for some", 60)
    cluster.valkey.kill()
    time.sleep(away)
    cluster.start_valkey()
    verify(cluster, end())
    images.delay = 0
    _, end = through_a_scan(cluster.url, images.urls(20, first=URLS))
    verify(cluster, end())


def test_a_worker_that_is_stopped_while_valkey_is_away_ends_without_a_traceback(
    cluster: Cluster,
) -> None:
    cluster.valkey.kill()
    log = cluster.worker.log
    until(lambda: "Connection to broker lost" in log.read_text(), "the worker notices", 60)
    cluster.worker.stop()
    assert any(cluster.worker.events("redis_away"))
    assert "Traceback" not in log.read_text()


FULL = "maxmemory 12mb\nmaxmemory-policy volatile-lru"


def fill_with_cache(cluster: Cluster) -> int:
    """Put in more old cache than fits; returns how many keys were put out."""
    with cluster.redis.pipeline(transaction=False) as pipe:
        for number in range(20_000):
            pipe.set(f"assay:address:old-{number}", bytes(1000), ex=3600)
        pipe.execute()
    return evicted(cluster)


def evicted(cluster: Cluster) -> int:
    return int(cluster.redis.info("stats")["evicted_keys"])  # type: ignore[index]


def get(cluster: Cluster, path: str) -> requests.Response:
    return requests.get(f"{cluster.url}{path}", timeout=30)


def test_a_valkey_at_its_memory_limit_gives_up_cache_and_no_job(
    tmp_path: Path, images: ImageSite
) -> None:
    with Cluster(tmp_path, valkey=FULL) as cluster:
        # A job that nobody touches for long, and that would be the first to go if jobs could go.
        body = {"urls": images.urls(20, first=URLS)}
        idle = requests.post(f"{cluster.url}/v1/scans", json=body, timeout=30).json()["links"]
        until(lambda: get(cluster, idle["self"]).json()["status"] == "done", "it has ended", 300)
        before = fill_with_cache(cluster)
        assert before > 0
        drive, end = through_a_scan(cluster.url, images.urls(URLS))
        verify(cluster, end())
        assert drive.statuses[503] == 0, "there was room for all that matters"
        assert evicted(cluster) > before
        assert get(cluster, idle["results"]).text.count('"status":"done"') == 20


def test_a_valkey_with_no_memory_left_at_all_stops_work_and_loses_none(
    cluster: Cluster, images: ImageSite
) -> None:
    cluster.redis.config_set("maxmemory-policy", "volatile-lru")
    drive, end = through_a_scan(cluster.url, images.urls(URLS))
    until(lambda: drive.ended >= 40, "some are judged", 600)
    cluster.redis.config_set("maxmemory", "1mb")
    refused = requests.post(f"{cluster.url}/v1/scans", json={"urls": images.urls(10)}, timeout=30)
    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) > 0
    time.sleep(15)  # what runs is refused too
    cluster.redis.config_set("maxmemory", "0")
    # The cache was given up, so what was judged and not yet recorded is judged again.
    verify(cluster, end(), again=50)
