"""`assay scan --pages` and `assay check` of a page, with the whole stack."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from backend.cli.inputs import InputError, read_pages
from backend.cli.output import ResultsError
from backend.cli.pages_command import run_pages
from backend.cli.scan_command import Output
from backend.supervisor import Supervisor
from settings import Settings
from tests.backend.conftest import Assay, command, lines, table
from tests.conftest import hits, until
from tests.pictures import drawing, encoded


@pytest.fixture
def pages(site: HTTPServer) -> threading.Event:
    """A site of two pages; the second one is answered when the event is set."""
    go_on = threading.Event()

    def slowly() -> Iterator[str]:
        yield "<!doctype html>"
        while not go_on.wait(0.5):
            yield " "
        yield '<img src="a.png">'

    def answer(_: Request) -> Response:
        return Response(slowly(), content_type="text/html")

    site.expect_request("/robots.txt").respond_with_data("")
    for number, name in enumerate("ab"):
        site.expect_request(f"/{name}.png").respond_with_data(encoded(drawing(70 + number)))
    html = '<!doctype html><img src="a.png"><img src="b.png">'
    site.expect_request("/1").respond_with_data(html, content_type="text/html")
    site.expect_request("/2").respond_with_handler(answer)
    return go_on


def test_a_scan_of_pages_that_was_killed_goes_on(
    assay: Assay, stack: Supervisor, site: HTTPServer, pages: threading.Event, tmp_path: Path
) -> None:
    (tmp_path / "pages.txt").write_text(f"{site.url_for('/2')}\n{site.url_for('/1')}\n")
    given = ("scan", "pages.txt", "--pages", "-o", "o.jsonl", "--server", stack.url)
    output = tmp_path / "o.jsonl"
    killed = subprocess.Popen(command(*given), cwd=tmp_path, stderr=subprocess.DEVNULL)
    try:
        until(lambda: output.exists() and output.read_bytes().count(b"\n") > 1, "2 results")
    finally:
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
    pages.set()
    with output.open("ab") as file:
        file.write(b'{"url":"http')
    place = Output(output)
    with pytest.raises(ResultsError, match="begun with another list"):
        run_pages(read_pages([site.url_for("/1")]), place, Settings(), stack.url)
    done = assay(*given)
    assert done.returncode == 0, done.stderr
    root = site.url_for("")
    found = [
        tuple(str(line.get(name)).removeprefix(root) for name in ("page", "url", "place"))
        for line in lines(output)
    ]
    assert found[:2] == [("1", "a.png", "img 1"), ("1", "b.png", "img 2")]
    assert [page for page, *_ in found[2:]] == ["2"]  # on a slow machine, its fetch times out
    assert hits(site, "/a.png") == hits(site, "/1") == 1
    with pytest.raises(ResultsError, match="is complete"):
        run_pages(read_pages([str(tmp_path / "pages.txt")]), place, Settings(), stack.url)
    reported = assay(*given, "--report", "out.html")
    assert "o.jsonl is complete, so nothing is checked" in reported.stderr
    assert "results from 2 pages" in (tmp_path / "out.html").read_text()


def test_a_page_is_scanned_into_csv_and_checked_in_words(
    assay: Assay, stack: Supervisor, site: HTTPServer, pages: threading.Event, tmp_path: Path
) -> None:
    pages.set()
    done = assay("scan", site.url_for("/1"), "--pages", "-o", "o.csv", "--server", stack.url)
    assert done.returncode == 0, done.stderr
    assert [row["place"] for row in table(tmp_path / "o.csv")] == ["img 1", "img 2"]
    bind = stack.url.removeprefix("http://")
    checked = assay("check", site.url_for("/1"), "--report", "out.html", bind=bind)
    assert checked.returncode == 0, checked.stderr
    assert [line.split("\t")[2][-5:] for line in checked.stdout.splitlines()] == ["a.png", "b.png"]
    report = (tmp_path / "out.html").read_text()
    assert report.count('<img src="data:image/jpeg;base64,') == 4, "of each, a copy and a map"


def test_only_what_is_on_the_web_is_a_page(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("https://example.com/\nhttps://example.com/\n")
    (page,) = read_pages([str(tmp_path / "list.txt"), "https://example.com/"])
    assert page.name == "https://example.com/"
    (tmp_path / "list.txt").write_text("https://example.com/\nlist.txt\n")
    with pytest.raises(InputError, match="no such file"):
        read_pages([str(tmp_path / "list.txt")])
