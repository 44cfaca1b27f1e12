"""How `assay scan` ends: quotas, interruptions, refusals, and keys."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from backend.processes import environment
from backend.supervisor import Supervisor
from tests.backend.conftest import Assay, command, listed, results
from tests.backend.fake_api import FakeApi, problem
from tests.conftest import settings_at, until
from tests.pictures import drawing, encoded


@pytest.mark.parametrize("output", ["o.jsonl", "-"])
def test_an_interrupted_scan_goes_on_at_the_server_if_its_results_can_be_fetched_later(
    api: FakeApi, site: HTTPServer, tmp_path: Path, output: str
) -> None:
    names = listed(tmp_path, "1.jpg", "stuck.jpg")
    with subprocess.Popen(
        command("scan", names, "-o", output, "--server", api.url),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as scan:
        until(lambda: any("/results" in request.path for request, _ in site.log), "it is followed")
        scan.send_signal(signal.SIGINT)
        assert scan.wait(60) == 130

    assert api.cancelled == (set(api.scans) if output == "-" else set())
    assert (tmp_path / "o.jsonl.scan").exists() == (output != "-")
    api.released.set()


def test_a_scan_whose_quota_ends_says_what_is_left_and_goes_on_later(
    assay: Assay, api: FakeApi, tmp_path: Path
) -> None:
    arguments = ("scan", listed(tmp_path, *(f"{n}.jpg" for n in range(100))), "--server", api.url)
    api.quota = 70

    ended = assay(*arguments)

    assert ended.returncode == 1
    assert "The quota is used up: 9 URLs a day." in ended.stderr
    assert "It allows more in 1:00:00, at 2" in ended.stderr
    assert "30 of 100 images are left. The same command goes on from here." in ended.stderr
    assert len(results(tmp_path)) == 70
    api.quota = None
    assert assay(*arguments).returncode == 0
    assert len(results(tmp_path)) == 100
    assert set(api.asked.values()) == {1}


@pytest.mark.slow
def test_a_real_quota_ends_a_scan_so(site: HTTPServer, tmp_path: Path) -> None:
    for n in range(12):
        site.expect_request(f"/{n}.png").respond_with_data(encoded(drawing(n), "PNG"))
    (tmp_path / "list.txt").write_text("".join(f"{site.url_for(f'/{n}.png')}\n" for n in range(12)))
    settings = settings_at(tmp_path / "data", worker_processes=1, rate_limit="8/day")

    with Supervisor(settings) as stack:
        done = subprocess.run(
            command("scan", "list.txt", "--server", stack.url),
            cwd=tmp_path,
            env=environment(settings),
            capture_output=True,
            text=True,
            timeout=240,
        )

    assert done.returncode == 1
    assert "The quota is used up: 8 URLs a day are allowed" in done.stderr
    assert "4 of 12 images are left." in done.stderr
    assert [item["status"] for item in results(tmp_path)] == ["done"] * 8


def test_a_server_that_refuses_the_scan_promises_nothing(
    assay: Assay, api: FakeApi, tmp_path: Path
) -> None:
    api.troubles.append(problem(401, "This API key is not valid."))

    done = assay("scan", listed(tmp_path, "1.jpg"), "--server", api.url)

    assert done.returncode == 1
    assert done.stderr == "assay: This API key is not valid. 1 of 1 image is left.\n"


def test_a_scan_without_any_verdict_says_why(assay: Assay, api: FakeApi, tmp_path: Path) -> None:
    arguments = ("scan", listed(tmp_path, "gone1", "gone2", "flaky"), "--server", api.url)
    for _ in range(2):
        done = assay(*arguments)
        assert done.returncode == 1
        assert (
            "assay: none of 3 images could be checked; most often, 3 times, because of "
            "http_status: The server answered 404." in done.stderr
        )

    assert assay(*arguments, "--retry", "failed").returncode == 0, "one can be checked now"


def test_a_key_is_sent_and_better_not_given_on_the_command_line(
    assay: Assay, api: FakeApi, site: HTTPServer, tmp_path: Path
) -> None:
    done = assay("scan", listed(tmp_path, "1.jpg"), "--server", api.url, "--key", "assay_1234")

    assert done.returncode == 0
    sent = {request.headers.get("Authorization") for request, _ in site.log}
    assert sent == {"Bearer assay_1234"}
    assert "ASSAY_API_KEY" in assay("scan", "--help").stdout


@pytest.mark.parametrize(
    ("command_", "key"), [("check", ""), ("scan", "two words"), ("scan", "schlüssel")]
)
def test_what_can_be_no_key_is_refused(assay: Assay, command_: str, key: str) -> None:
    done = assay(command_, "http://h/1.jpg", "--key", key)

    assert done.returncode == 2
    assert "API key" in done.stderr
