"""Two model versions side by side, as during an upgrade.

`second_look` is a part of the version, so that two settings of it stand for two sets of weights.
"""

from __future__ import annotations

import threading
from pathlib import Path

from backend.processes import free_port
from backend.supervisor import is_ready
from models.manifest import load_manifest
from settings import Settings
from tests.conftest import until
from tests.faults.cluster import Cluster
from tests.faults.drive import Drive, through_a_scan, through_checks, verify
from tests.faults.site import ImageSite

OLD = load_manifest().version_for("never")
NEW = load_manifest().version_for("auto")


def upgraded(settings: Settings) -> Settings:
    """Return the settings of an API or worker of the new version."""
    bind = f"127.0.0.1:{free_port('127.0.0.1')}"
    return settings.model_copy(update={"second_look": "auto", "bind": bind})


def versions(drive: Drive) -> set[str]:
    """Return the versions that judged."""
    return {item["verdict"]["model_version"] for item in drive.items.values()}


def test_two_versions_asked_for_the_same_urls_answer_with_their_own_verdicts_and_come_to_rest(
    tmp_path: Path, images: ImageSite
) -> None:
    urls = images.urls(40)  # few, for the new version's member is ten times slower
    with Cluster(tmp_path, processes=1) as cluster:
        settings = upgraded(cluster.settings)
        cluster.add(cluster.another_worker("worker-new", settings))
        cluster.add(cluster.another_api("api-new", settings))
        until(lambda: is_ready(f"http://{settings.bind}"), "the new version is ready", 120)
        _, end_old = through_checks(cluster.url, urls, clients=4)
        _, end_new = through_checks(f"http://{settings.bind}", urls, clients=4)
        old, new = end_old(), end_new()
        verify(cluster, old)
        verify(cluster, new)
        assert versions(old) == {OLD}
        assert versions(new) == {NEW}
        assert max(images.hits.values()) <= 2, "once for each version"


def test_an_upgrade_under_way_gives_every_url_of_a_scan_one_verdict_that_names_its_version(
    cluster: Cluster, images: ImageSite
) -> None:
    # The old worker ends with two tasks of 16 URLs in hand, so 28 or more are left to the new one.
    images.held_from = 60
    drive, end = through_a_scan(cluster.url, images.urls(120))
    until(lambda: drive.ended >= 40, "the old version has judged", 600)
    settings = upgraded(cluster.settings).model_copy(update={"bind": cluster.settings.bind})
    threading.Timer(1, setattr, (images, "held_from", None)).start()
    cluster.worker.stop()
    cluster.add(cluster.another_worker("worker-new", settings))
    cluster.api.stop()
    cluster.api.env = cluster.another_api("api", settings).env
    cluster.start_api()
    verify(cluster, end())
    assert versions(drive) == {OLD, NEW}
