"""`--report` of `assay check` and `assay scan`."""

from __future__ import annotations

import hashlib
import io
import re
from pathlib import Path

import pytest
from PIL import Image
from pytest_httpserver import HTTPServer

from backend.cli.thumbnails import Thumbnails
from backend.report.thumbnails import CHANGED
from models.report_pictures import LONGEST_IN_ROW
from models.verdict import CheckItem
from tests.backend.conftest import Assay, listed
from tests.backend.fake_api import FakeApi, done, failed, verdict
from tests.conftest import hits, settings_at
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


def judged(url: str, data: bytes, probability: float = 0.93) -> CheckItem:
    facts = verdict().image.model_copy(update={"sha256": hashlib.sha256(data).hexdigest()})
    return done(url, probability, image=facts)


def test_thumbnails_are_made_of_the_bytes_that_were_judged(
    site: HTTPServer, tmp_path: Path
) -> None:
    a, b, c = (encoded(drawing(n), "PNG") for n in range(3))
    (tmp_path / "b.png").write_bytes(b)
    for name, data in (("a", a), ("c", c), ("real", a)):
        site.expect_request(f"/{name}.png").respond_with_data(data)
    items = [
        failed(site.url_for("/failed.png")),
        judged(site.url_for("/real.png"), c, 0.1),
        judged(site.url_for("/a.png"), a),
        judged(str(tmp_path / "b.png"), b),
        judged(site.url_for("/a.png?again"), a),
        judged(site.url_for("/c.png"), b"other bytes"),
        judged(str(tmp_path / "gone.png"), c),
        judged(site.url_for("/one-too-many.png"), b"more bytes"),
    ]

    found = Thumbnails(4, settings_at(tmp_path)).of(items)

    assert set(found) == {2, 3, 5, 6}
    for row in (2, 3):
        picture = found[row]
        assert isinstance(picture, bytes)
        assert max(Image.open(io.BytesIO(picture)).size) == LONGEST_IN_ROW
    assert found[2] != found[3]
    assert found[5] == CHANGED
    assert "No such file" in str(found[6])
    assert hits(site, "/real.png") == hits(site, "/one-too-many.png") == 0


def test_a_scan_s_report_says_which_thumbnails_are_missing(
    assay: Assay, api: FakeApi, site: HTTPServer, tmp_path: Path
) -> None:
    (tmp_path / "list.txt").write_text(site.url_for("/1.png"))
    site.expect_request("/1.png").respond_with_data(encoded(drawing()))
    given = ("scan", "list.txt", "--server", api.url, "--thumbnails", "5")
    assert "--report" in assay(*given).stderr

    assert assay(*given, "--report", "out.html").returncode == 0

    assert f"No thumbnail: {CHANGED}" in (tmp_path / "out.html").read_text()


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
