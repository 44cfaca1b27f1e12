"""The command line, run as people and scripts run it."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

import psutil
import pytest
from pytest_httpserver import HTTPServer

from backend.processes import environment
from backend.supervisor import Supervisor
from tests.backend.conftest import command, lines, results, table
from tests.backend.fake_api import FakeApi
from tests.conftest import hits, settings_at
from tests.pictures import drawing, encoded

pytestmark = pytest.mark.slow


def picture(path: Path, seed: int = 0) -> str:
    path.write_bytes(encoded(drawing(seed), "PNG"))
    return path.name


# In general


def test_help_names_every_command_without_loading_what_they_need(assay) -> None:
    done = assay("--help")

    assert done.returncode == 0
    for name in ("serve", "api", "worker", "check", "scan"):
        assert f" {name} " in done.stdout


def test_the_version_is_that_of_the_package(assay) -> None:
    assert assay("--version").stdout == f"assay {version('assay')}\n"


@pytest.mark.parametrize("role", ["api", "worker"])
def test_a_role_alone_wants_a_shared_redis(assay, role: str) -> None:
    done = assay(role)

    assert done.returncode == 2
    assert "ASSAY_REDIS_URL" in done.stderr


def test_a_setting_that_cannot_be_is_told_in_a_sentence(assay) -> None:
    done = assay("check", "a.jpg", bind="nowhere")

    assert done.returncode == 2
    assert done.stderr.startswith("assay: ASSAY_BIND cannot be 'nowhere'")
    assert "Traceback" not in done.stderr


# assay scan


def test_a_scan_writes_one_item_a_line_and_sums_up(assay, api: FakeApi, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("http://h/1.jpg\nhttp://h/gone.jpg\nhttp://h/1.jpg\n")

    done = assay("scan", "list.txt", "--server", api.url)

    assert done.returncode == 0, "an image that cannot be checked is a result"
    found = {item["index"]: (item["url"], item["status"]) for item in results(tmp_path)}
    assert found == {
        0: ("http://h/1.jpg", "done"),
        1: ("http://h/gone.jpg", "failed"),
        2: ("http://h/1.jpg", "done"),
    }
    assert api.asked == {"http://h/1.jpg": 1, "http://h/gone.jpg": 1}, "each is checked once"
    assert "3 images: 2 likely AI · 0 uncertain · 0 no sign of AI · 1 failed" in done.stderr
    assert done.stdout == ""


def test_a_finished_scan_needs_no_server(assay, api: FakeApi, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("http://h/1.jpg\n")
    assay("scan", "list.txt", "--server", api.url)

    again = assay("scan", "list.txt")

    assert again.returncode == 0
    assert api.asked["http://h/1.jpg"] == 1


def test_a_list_that_cannot_be_read_is_misuse(assay) -> None:
    done = assay("scan", "none.txt")

    assert done.returncode == 2
    assert done.stderr == "assay: none.txt cannot be read: No such file or directory.\n"


def test_an_output_of_something_else_fails_and_is_left_alone(assay, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("http://h/1.jpg\n")
    (tmp_path / "diary.csv").write_text("Dear diary,\n")

    done = assay("scan", "list.txt", "-o", "diary.csv")

    assert done.returncode == 1
    assert "is not a result of a list" in done.stderr
    assert (tmp_path / "diary.csv").read_text() == "Dear diary,\n"


def test_a_full_disk_fails_the_scan_and_room_lets_it_go_on(
    assay, api: FakeApi, tmp_path: Path
) -> None:
    (tmp_path / "list.txt").write_text("".join(f"http://h/{n}.jpg\n" for n in range(100)))
    arguments = ("scan", "list.txt", "--server", api.url)

    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))

    full = assay(*arguments, preexec_fn=small_disk)
    assert full.returncode == 1
    assert "cannot be written" in full.stderr

    assert assay(*arguments).returncode == 0
    assert len(lines(tmp_path / "results.jsonl")) == 100


def test_a_scan_that_is_interrupted_says_how_to_go_on(assay, api: FakeApi, tmp_path: Path) -> None:
    api.seconds = 0.01
    urls = [f"http://h/{n}.jpg" for n in range(3000)]
    (tmp_path / "list.txt").write_text("\n".join(urls))
    arguments = ("scan", "list.txt", "--server", api.url)
    output = tmp_path / "results.jsonl"

    scan = subprocess.Popen(command(*arguments), cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    wait_for_growth(output, scan)
    scan.send_signal(signal.SIGINT)
    _, said = scan.communicate(timeout=60)

    assert scan.returncode == 130, said
    assert "The same command goes on from here." in said
    api.seconds = 0
    assert assay(*arguments).returncode == 0
    assert sorted(str(item["url"]) for item in lines(output)) == sorted(urls)


def wait_for_growth(output: Path, scan: subprocess.Popen[str]) -> None:
    """Return when the scan has written some results, or is over."""
    before = output.stat().st_size if output.exists() else 0
    while scan.poll() is None:
        if output.exists() and output.stat().st_size > before + 4096:
            return
        time.sleep(0.005)


@pytest.mark.parametrize("order", ["finished", "input"])
@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_a_scan_killed_again_and_again_ends_with_every_row_once(
    api: FakeApi, tmp_path: Path, suffix: str, order: str
) -> None:
    api.seconds = 0.002
    urls = [f"http://h/{n % 1300}{'slow' * (n > 800 and n % 7 == 0)}.jpg" for n in range(1600)]
    (tmp_path / "list.txt").write_text("\n".join(urls))
    output = tmp_path / f"out.{suffix}"
    kills = 0

    while True:
        arguments = command(
            *("scan", "list.txt", "-o", output.name, "--server", api.url, "--order", order)
        )
        scan = subprocess.Popen(arguments, cwd=tmp_path, stderr=subprocess.DEVNULL, text=True)
        if kills < 4:
            wait_for_growth(output, scan)
            scan.kill()
        if scan.wait(60) == 0:
            break
        kills += 1

    assert kills == 4
    found = lines(output) if suffix == "jsonl" else table(output)
    rows = [(int(str(row["index"])), str(row["url"])) for row in found]
    assert (rows if order == "input" else sorted(rows)) == list(enumerate(urls))


# assay scan, with everything real


def test_urls_and_files_are_scanned_by_a_real_server_through_kills(
    stack: Supervisor, site: HTTPServer, tmp_path: Path
) -> None:
    urls = [site.url_for(f"/{n}.jpg") for n in range(120)]
    for n in range(120):
        site.expect_request(f"/{n}.jpg").respond_with_data(encoded(drawing(n)))
    bad = [site.url_for("/none.jpg"), "http://10.0.0.1/a.jpg", "file:///etc/passwd", "nonsense"]
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for n in range(20):
        picture(pictures / f"{n}.png", 1000 + n)
    (tmp_path / "list.txt").write_text("\n".join([*bad, *urls]))
    arguments = command(*("scan", "list.txt", "pictures", "--server", stack.url))
    output = tmp_path / "results.jsonl"

    for _ in range(3):
        scan = subprocess.Popen(arguments, cwd=tmp_path, stderr=subprocess.DEVNULL, text=True)
        wait_for_growth(output, scan)
        scan.kill()
        scan.wait(10)
    subprocess.run(arguments, cwd=tmp_path, check=True, timeout=240)

    items = {item["url"]: item for item in lines(output)}
    assert len(items) == len(lines(output)) == len(urls) + len(bad) + 20
    assert {items[url]["status"] for url in urls} == {"done"}
    assert {items[url]["status"] for url in bad} == {"failed"}
    assert {items[f"pictures/{n}.png"]["status"] for n in range(20)} == {"done"}
    assert [hits(site, f"/{n}.jpg") for n in range(120)] == [1] * 120, "the server remembers"


def test_a_scan_brings_its_own_server_and_takes_up_after_a_kill(
    assay, site: HTTPServer, tmp_path: Path, free_port: int
) -> None:
    urls = [site.url_for(f"/{n}.jpg") for n in range(130)]
    for n in range(130):
        site.expect_request(f"/{n}.jpg").respond_with_data(encoded(drawing(n)))
    (tmp_path / "list.txt").write_text("\n".join(urls))
    settings = settings_at(tmp_path / "data").model_copy(
        update={"bind": f"127.0.0.1:{free_port}", "worker_processes": 1}
    )
    output, noted = tmp_path / "results.jsonl", settings.data_dir / "stack.json"

    scan = subprocess.Popen(
        command("scan", "list.txt"),
        cwd=tmp_path,
        env=environment(settings),
        stderr=subprocess.DEVNULL,
        text=True,
    )
    wait_for_growth(output, scan)
    scan.kill()
    scan.wait(10)
    orphans = [psutil.Process(int(pid)) for pid in json.loads(noted.read_text())]
    done = assay("scan", "list.txt")

    assert done.returncode == 0
    assert sorted(str(item["url"]) for item in lines(output)) == sorted(urls)
    assert orphans
    assert not any(process.is_running() for process in orphans)
    assert not noted.exists(), "the second scan ended what it started"
