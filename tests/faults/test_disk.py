"""A disk that is full."""

from __future__ import annotations

from pathlib import Path

import requests

from tests.conftest import until
from tests.faults.cluster import Cluster
from tests.faults.conftest import URLS
from tests.faults.disk import small_disk
from tests.faults.drive import through_a_scan, verify
from tests.faults.site import ImageSite, picture


def upload(cluster: Cluster, data: bytes) -> requests.Response:
    return requests.post(
        f"{cluster.url}/v1/images", files={"image": data}, data={"wait": "20"}, timeout=40
    )


def begin_a_scan(cluster: Cluster) -> requests.Response:
    body = {"urls": ["http://127.0.0.1:9/never.jpg"]}
    return requests.post(f"{cluster.url}/v1/scans", json=body, timeout=40)


def assert_told_to_come_later(answer: requests.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_full_disk_under_valkey_stops_work_and_loses_none(
    tmp_path: Path, images: ImageSite
) -> None:
    with (
        small_disk(tmp_path / "data") as disk,
        Cluster(tmp_path, prefix=disk.prefix) as cluster,
    ):
        urls = images.urls(URLS)
        drive, end = through_a_scan(cluster.url, urls)
        until(lambda: drive.ended >= 40, "some are judged", 600)
        disk.fill()
        # The answer of the one that finds out may be an acceptance; see docs/reliability.md.
        until(lambda: begin_a_scan(cluster).status_code == 503, "what would be written is refused")
        assert_told_to_come_later(begin_a_scan(cluster))
        assert_told_to_come_later(upload(cluster, picture(1_000_000)))
        answer = requests.post(f"{cluster.url}/v1/lookups", json={"urls": urls}, timeout=10)
        assert answer.status_code == 200, answer.text
        known = [item for item in answer.json()["items"] if item["status"] == "done"]
        assert len(known) >= 30, "what is known can be looked up"
        disk.clear()
        verify(cluster, end())
        assert upload(cluster, picture(1_000_000)).status_code == 200


def test_a_full_disk_for_uploads_refuses_uploads_and_nothing_else(
    tmp_path: Path, images: ImageSite
) -> None:
    with (
        small_disk(tmp_path / "uploads") as disk,
        Cluster(tmp_path, prefix=disk.prefix, uploads_on=disk.folder) as cluster,
    ):
        disk.fill()
        assert_told_to_come_later(upload(cluster, picture(1_000_000)))
        _, end = through_a_scan(cluster.url, images.urls(40))
        verify(cluster, end())
        disk.clear()
        assert upload(cluster, picture(1_000_000)).status_code == 200


def test_logs_that_cannot_be_written_stop_nothing(tmp_path: Path, images: ImageSite) -> None:
    cluster = Cluster(tmp_path)
    cluster.worker.log = cluster.api.log = Path("/dev/full")
    with cluster:
        drive, end = through_a_scan(cluster.url, images.urls(40))
        assert end().lost == []
        assert drive.faulty == []
        assert upload(cluster, picture(1_000_000)).status_code == 200
