"""A Valkey that is killed, and one that is full."""

from __future__ import annotations

from pathlib import Path

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


def test_a_valkey_at_its_memory_limit_gives_up_cache_and_no_job(
    tmp_path: Path, images: ImageSite
) -> None:
    with Cluster(tmp_path, valkey=FULL) as cluster:
        before = fill_with_cache(cluster)
        assert before > 0
        drive, end = through_checks(cluster.url, images.urls(URLS))
        verify(cluster, end())
        assert drive.statuses[503] == 0, "there was room for all that matters"
        assert evicted(cluster) > before
