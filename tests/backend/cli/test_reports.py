"""`--report` of `assay check` and `assay scan`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from tests.backend.conftest import Assay, listed
from tests.backend.fake_api import FakeApi
from tests.pictures import drawing, encoded


def test_a_check_reports_files_and_urls_with_their_pictures(
    assay: Assay, site: HTTPServer, tmp_path: Path
) -> None:
    (tmp_path / "<b>.png").write_bytes(encoded(drawing(), "PNG"))
    (tmp_path / "text.jpg").write_text("no image")
    site.expect_request("/a.png").respond_with_data(encoded(drawing(1), "PNG"))

    done = assay("check", "<b>.png", site.url_for("/a.png"), "text.jpg", "--report", "out.html")

    assert done.returncode == 1, "one cannot be judged"
    report = (tmp_path / "out.html").read_text()
    assert len(re.findall('<img src="data:image/jpeg;base64,', report)) == 4
    assert "&lt;b&gt;.png" in report
    assert "<b>" not in report
    assert "The file is not an image." in report


def test_a_scan_reports_all_results_in_the_order_of_the_list(
    assay: Assay, api: FakeApi, tmp_path: Path
) -> None:
    names = listed(tmp_path, "slow.jpg", "2.jpg", "gone.jpg")

    done = assay("scan", names, "--server", api.url, "--report", "out.html")

    assert done.returncode == 0, done.stderr
    report = (tmp_path / "out.html").read_text()
    assert re.findall("<td>(\\d)<td><bdi>http://h/(\\w+).jpg", report) == [
        *(("1", "slow"), ("2", "2"), ("3", "gone")),
    ]
    with (tmp_path / "list.txt").open("a") as file:
        file.write("http://h/4.jpg\n")
    assert assay("scan", names, "--server", api.url, "--report", "out.html").returncode == 0
    assert "http://h/4.jpg" in (tmp_path / "out.html").read_text(), "an own report is replaced"


def test_with_label_the_report_still_has_all(assay: Assay, api: FakeApi, tmp_path: Path) -> None:
    names = listed(tmp_path, "1.jpg", "gone.jpg")
    given = ("scan", names, "-o", "real.csv", "--label", "real", "--report", "out.html")

    assert assay(*given, "--server", api.url).returncode == 0

    assert "http://h/gone.jpg" in (tmp_path / "out.html").read_text()


def test_a_file_that_is_no_report_is_not_replaced(
    assay: Assay, api: FakeApi, tmp_path: Path
) -> None:
    (tmp_path / "mine.html").write_text("<!doctype html>\nmine")

    for command in (("check", "a.png"), ("scan", listed(tmp_path, "1.jpg"), "--server", api.url)):
        done = assay(*command, "--report", "mine.html")
        assert done.returncode == 1
        assert "is no report of Assay" in done.stderr
        nowhere = assay(*command, "--report", "no/folder.html")
        assert "there is no folder" in nowhere.stderr

    assert (tmp_path / "mine.html").read_text() == "<!doctype html>\nmine"
    assert not api.lists, "it is known before anything is checked"


@pytest.mark.parametrize("output", ["-", "results.csv"])
def test_a_scan_s_report_needs_results_that_say_all(
    assay: Assay, tmp_path: Path, output: str
) -> None:
    done = assay("scan", listed(tmp_path, "1.jpg"), "-o", output, "--report", "out.html")

    assert done.returncode == 2
    assert "JSON Lines" in done.stderr
