"""Feedback becomes labelled images that training can read."""

from __future__ import annotations

import csv
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from redis import Redis

from backend.feedback_export import COLUMNS, ExportError, export
from backend.processes import environment
from models.feedback import Feedback
from models.image import decode
from tests.conftest import LOOPBACK, hits, settings_at
from tests.pictures import drawing, encoded
from tests.workers.storage.test_feedback import said
from training.datasets.dataset_manifest import COLUMNS as READ_BY_TRAINING
from training.datasets.dataset_manifest import read_csv
from workers.fetching.client import Fetcher
from workers.storage.feedback import FeedbackStore


class Exported:
    """A folder, and why images are not in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.skipped: list[str] = []

    def export(self, *feedback: Feedback) -> int:
        return export(feedback, self.folder, Fetcher(LOOPBACK), self.skipped.append)

    def rows(self) -> list[dict[str, str]]:
        with (self.folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))


@pytest.fixture
def exported(tmp_path: Path) -> Exported:
    return Exported(tmp_path / "out")


def serve(site: HTTPServer, path: str, seed: int = 0) -> str:
    """Serve a picture; return the hash of its bytes."""
    data = encoded(drawing(seed))
    site.expect_request(path).respond_with_data(data, content_type="image/jpeg")
    return hashlib.sha256(data).hexdigest()


def test_training_reads_what_is_exported(exported: Exported, site: HTTPServer) -> None:
    photo, made = serve(site, "/photo.jpg", 1), serve(site, "/made.jpg", 2)
    count = exported.export(
        said(photo, url=site.url_for("/photo.jpg"), says="real"),
        said(made, url=site.url_for("/made.jpg"), says="ai"),
    )
    assert count == 2
    rows = read_csv(exported.folder / "manifest.csv", "photo")
    assert [(row.label, row.source, row.split) for row in rows] == [
        ("real", "feedback/127.0.0.1", None),
        ("ai", "feedback/127.0.0.1", None),
    ]
    assert decode(rows[0].path.read_bytes()).width == 320
    assert hashlib.sha256(rows[1].path.read_bytes()).hexdigest() == made
    assert COLUMNS[: len(READ_BY_TRAINING)] == READ_BY_TRAINING


def test_the_verdict_stands_beside_what_is_said(exported: Exported, site: HTTPServer) -> None:
    sha256 = serve(site, "/a.jpg")
    url = site.url_for("/a.jpg")
    exported.export(
        said(sha256, url=url, how="made_it", source="https://me", comment="Mine.\nYes.")
    )
    (row,) = exported.rows()
    assert row["path"] == f"images/{sha256}.jpeg"
    assert (row["label"], row["says"], row["verdict"]) == ("real", "real", "ai")
    assert (row["probability"], row["model_version"]) == ("0.93", "test-1")
    assert (row["how"], row["known_from"], row["comment"]) == (
        "made_it",
        "https://me",
        "Mine. Yes.",
    )
    assert (row["url"], row["sha256"], row["callers"]) == (url, sha256, "1")


def test_what_is_gone_has_changed_or_was_uploaded_is_left_out_with_a_sentence(
    exported: Exported, site: HTTPServer
) -> None:
    kept = serve(site, "/kept.jpg", 1)
    serve(site, "/changed.jpg", 2)
    site.expect_request("/gone.jpg").respond_with_data(b"", status=410)
    count = exported.export(
        said("ab" * 32, url=site.url_for("/gone.jpg")),
        said(kept, url=site.url_for("/kept.jpg")),
        said("cd" * 32, url=site.url_for("/changed.jpg")),
        said("ef" * 32, url=None),
    )
    assert count == 1
    assert [row["sha256"] for row in exported.rows()] == [kept]
    assert [sentence.rpartition(": ")[0] for sentence in exported.skipped] == [
        site.url_for("/gone.jpg"),
        site.url_for("/changed.jpg"),
        f"sha256:{'ef' * 32}",
    ]
    assert len(list((exported.folder / "images").iterdir())) == 1


def test_an_address_that_may_not_be_reached_is_not(tmp_path: Path) -> None:
    skipped: list[str] = []
    one = said(url="http://127.0.0.1/a.jpg")
    assert export([one], tmp_path, Fetcher(), skipped.append) == 0
    assert skipped[0].startswith("http://127.0.0.1/a.jpg: ")


def test_an_image_of_which_people_disagree_is_left_out(
    exported: Exported, site: HTTPServer
) -> None:
    sha256 = serve(site, "/a.jpg")
    url = site.url_for("/a.jpg")
    both = [said(sha256, url=url, owner="one", says="ai"), said(sha256, url=url, owner="two")]
    assert exported.export(*both) == 0
    assert exported.skipped[0].startswith(f"{url}: ")
    assert hits(site, "/a.jpg") == 0


def test_an_image_of_which_people_agree_is_one_row_found_wherever_it_still_is(
    exported: Exported, site: HTTPServer
) -> None:
    sha256 = serve(site, "/a.jpg")
    site.expect_request("/gone.jpg").respond_with_data(b"", status=404)
    exported.export(
        said(sha256, url=site.url_for("/a.jpg"), owner="one"),
        said(sha256, url=site.url_for("/gone.jpg"), owner="two", minutes=1),
        said(sha256, url=None, owner="three", minutes=2, comment="Newest."),
    )
    (row,) = exported.rows()
    assert (row["callers"], row["comment"]) == ("3", "Newest.")


def test_what_is_there_already_is_not_fetched_again(exported: Exported, site: HTTPServer) -> None:
    sha256 = serve(site, "/a.jpg")
    one = said(sha256, url=site.url_for("/a.jpg"))
    exported.export(one)
    assert exported.export(one) == 1
    assert hits(site, "/a.jpg") == 1
    (path,) = (exported.folder / "images").iterdir()
    path.write_bytes(b"cut off")
    assert exported.export(one) == 1
    assert hits(site, "/a.jpg") == 2


@pytest.mark.parametrize("comment", ["=HYPERLINK(1)", "+1", "-1", "@A1", "\t=1", "\n=1"])
def test_no_spreadsheet_runs_what_a_stranger_wrote(
    exported: Exported, site: HTTPServer, comment: str
) -> None:
    exported.export(said(serve(site, "/a.jpg"), url=site.url_for("/a.jpg"), comment=comment))
    (row,) = exported.rows()
    assert row["comment"][0] in "' "
    assert "\n" not in row["comment"]


def test_nothing_said_is_an_empty_list(exported: Exported) -> None:
    assert exported.export() == 0
    assert read_csv(exported.folder / "manifest.csv", "photo") == []


def test_a_folder_that_cannot_be_written_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match=r"file cannot be written: .+\."):
        export([], tmp_path / "file", Fetcher(), print)


def test_the_command_exports_what_the_redis_holds(
    redis: Redis, valkey_url: str, tmp_path: Path, site: HTTPServer
) -> None:
    sha256 = serve(site, "/a.jpg")
    feedback = FeedbackStore(redis)
    feedback.add(said(sha256, url=site.url_for("/a.jpg")))
    feedback.add(said("ef" * 32, url=None))
    settings = settings_at(tmp_path / "data", redis_url=valkey_url)
    done = subprocess.run(
        [sys.executable, "-m", "backend.cli", "feedback", "export", str(tmp_path / "out")],
        env={**environment(settings), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert f"left out: sha256:{'ef' * 32}: It was uploaded" in done.stderr
    assert "manifest.csv: 1" in done.stderr
    (row,) = read_csv(tmp_path / "out" / "manifest.csv", "photo")
    assert hashlib.sha256(row.path.read_bytes()).hexdigest() == sha256
