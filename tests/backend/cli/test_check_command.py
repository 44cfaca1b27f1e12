"""`assay check`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from tests.backend.conftest import Assay
from tests.backend.fake_api import FakeApi
from tests.pictures import drawing, encoded, photograph


def picture(path: Path, seed: int = 0) -> str:
    path.write_bytes(encoded(drawing(seed), "PNG"))
    return path.name


def test_files_are_checked_without_a_server_in_the_order_given(assay, tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(encoded(photograph()))
    given = [picture(tmp_path / "b.png"), "photo.jpg", picture(tmp_path / "a.png", 1)]

    done = assay("check", "--json", *given)

    assert done.returncode == 0
    items = [json.loads(line) for line in done.stdout.splitlines()]
    assert [item["url"] for item in items] == given
    assert {item["status"] for item in items} == {"done"}
    assert items[1]["verdict"]["image"]["format"] == "jpeg"


def test_an_image_that_cannot_be_checked_makes_the_exit_code_1(assay, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no image")

    done = assay("check", picture(tmp_path / "a.png"), "text.jpg", "none.jpg")

    assert done.returncode == 1
    words = [line.split("\t")[:3] for line in done.stdout.splitlines()]
    assert words[0][2] == "a.png"
    assert words[1] == ["failed", "not_an_image", "text.jpg"]
    assert words[2] == ["failed", "bad_url", "none.jpg"]


def test_a_file_is_explained_in_a_picture(assay, tmp_path: Path) -> None:
    done = assay("check", picture(tmp_path / "a.png"), "--explain", "map.png")

    assert done.returncode == 0
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    for wrong in (("a.png", "a.png"), ("http://h/1.jpg",)):
        refused = assay("check", *wrong, "--explain", "other.png")
        assert refused.returncode == 2
    assert not (tmp_path / "other.png").exists()


def test_a_folder_is_for_scan(assay, tmp_path: Path) -> None:
    done = assay("check", str(tmp_path))

    assert done.returncode == 2
    assert "assay scan" in done.stderr


def test_urls_are_asked_of_the_server_that_runs(assay, api: FakeApi, tmp_path: Path) -> None:
    done = assay(
        *("check", "http://h/1.jpg", picture(tmp_path / "a.png"), "http://h/gone.jpg"),
        bind=api.url.removeprefix("http://"),
    )

    assert done.returncode == 1
    assert [line.split("\t")[2] for line in done.stdout.splitlines()] == [
        *("http://h/1.jpg", "a.png", "http://h/gone.jpg"),
    ]
    assert set(api.asked) == {"http://h/1.jpg", "http://h/gone.jpg"}


def test_without_a_server_urls_are_fetched_and_checked_here(assay, site: HTTPServer) -> None:
    site.expect_request("/a.jpg").respond_with_data(encoded(photograph()))

    done = assay("check", "--json", site.url_for("/a.jpg"), site.url_for("/none.jpg"), "ftp://h/a")

    assert done.returncode == 1
    good, missing, foreign = [json.loads(line) for line in done.stdout.splitlines()]
    assert good["status"] == "done"
    assert missing["error"]["code"] == "http_status"
    assert foreign["error"]["code"] == "bad_url"


def test_an_image_from_standard_input_is_checked(assay: Assay) -> None:
    done = assay("check", "--json", "-", stdin=encoded(drawing(), "PNG"))

    assert done.returncode == 0, done.stderr
    item = json.loads(done.stdout)
    assert (item["url"], item["status"], item["verdict"]["image"]["format"]) == ("-", "done", "png")


@pytest.mark.parametrize(
    ("given", "code"),
    [(b"", "not_an_image"), (b"text", "not_an_image"), (bytes(20 * 2**20 + 1), "too_large")],
    ids=["nothing", "text", "too much"],
)
def test_what_is_not_an_image_on_standard_input_fails(
    assay: Assay, given: bytes, code: str
) -> None:
    done = assay("check", "-", stdin=given)

    assert done.returncode == 1
    assert done.stdout.startswith(f"failed\t{code}\t-\t")


def test_an_address_without_its_scheme_is_told_so(assay: Assay) -> None:
    addresses = ["example.com/photo.jpg", "www.example.com", "localhost:8000/a.jpg", "//h.com/a"]
    others = ["photo.jpg", "ftp://h/a.jpg", "a" * 5000]

    done = assay("check", *addresses, *others)

    assert done.returncode == 1
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [row[:3] for row in rows] == [["failed", "bad_url", t] for t in addresses + others]
    hinted = [row[2] for row in rows if "put https:// before it" in row[3]]
    assert hinted == addresses
