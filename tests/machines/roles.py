"""The roles as processes of their own, as on a machine each."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import requests
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from backend.client import local_server
from backend.processes import environment, free_port
from settings import Settings
from tests.conftest import until
from tests.pictures import drawing, encoded


@contextmanager
def role(
    settings: Settings, *arguments: str, log: Path, before: Sequence[str] = ()
) -> Iterator[psutil.Process]:
    """Run `assay ARGUMENTS`; whatever is left of it at the end is killed.

    Args:
        settings: become the environment.
        arguments: the command.
        log: where its output goes.
        before: a command that runs it, as `ip netns exec NAME`.
    """
    with log.open("ab") as output:
        started = subprocess.Popen(
            [*before, sys.executable, "-m", "backend.cli", *arguments],
            env=environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    process = psutil.Process(started.pid)
    try:
        yield process
    finally:
        kill(process)
        started.wait(10)


def kill(process: psutil.Process) -> None:
    """Kill a role and all its processes at once, as when its machine loses power."""
    with suppress(psutil.NoSuchProcess):
        family = [process, *process.children(recursive=True)]
        for each in family:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(family, timeout=10)


@contextmanager
def api(settings: Settings, folder: Path) -> Iterator[str]:
    """Run the API on a free port, and give its URL when it answers."""
    bind = f"127.0.0.1:{free_port('127.0.0.1')}"
    url = local_server(bind)
    log = folder / "api.log"
    with role(settings.model_copy(update={"bind": bind}), "api", log=log) as process:

        def answers() -> bool:
            assert process.status() != psutil.STATUS_ZOMBIE, log.read_text()
            return status(url, "/healthz") == 200

        until(answers, "the API answers", 200)
        yield url


def status(url: str, path: str) -> int:
    """Return the status that a GET is answered with; 0 if it is not answered."""
    try:
        return requests.get(url + path, timeout=5).status_code
    except requests.RequestException:
        return 0


def check(api: str, urls: Sequence[str], wait: float = 0) -> requests.Response:
    """Ask for a check."""
    body = {"urls": list(urls), "wait": wait}
    return requests.post(f"{api}/v1/checks", json=body, timeout=wait + 60)


def statuses(api: str, check_id: str) -> list[str]:
    """Return the status of each item of a check; empty while the API has no answer."""
    answer = requests.get(f"{api}/v1/checks/{check_id}", timeout=60)
    return [item["status"] for item in answer.json()["items"]] if answer.ok else []


def until_done(api: str, check_id: str, count: int, seconds: float = 120) -> None:
    """Wait until every item of the check has a verdict."""
    until(lambda: statuses(api, check_id) == ["done"] * count, "every image has a verdict", seconds)


def scan(api: str, urls: Sequence[str]) -> str:
    """Ask for a scan, and return its id."""
    answer = requests.post(f"{api}/v1/scans", json={"urls": list(urls)}, timeout=60)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def judged(api: str, scan_id: str) -> int:
    """Count the images of a scan that have a verdict; 0 while the API has no answer."""
    answer = requests.get(f"{api}/v1/scans/{scan_id}", timeout=60)
    return int(answer.json()["counts"]["done"]) if answer.ok else 0


def until_judged_once(api: str, scan_id: str, urls: Sequence[str], seconds: float = 300) -> None:
    """Wait until a scan has ended; see that each URL has a verdict, and one only."""

    def ended() -> bool:
        answer = requests.get(f"{api}/v1/scans/{scan_id}", timeout=60)
        return answer.ok and answer.json()["status"] == "done"

    until(ended, "the scan ends", seconds)
    lines = requests.get(f"{api}/v1/scans/{scan_id}/results", timeout=60).text.splitlines()
    results = [json.loads(line) for line in lines]
    assert [result["url"] for result in results] == list(urls)
    assert {result["status"] for result in results} == {"done"}
    assert judged(api, scan_id) == len(urls), "none was counted twice"


def pictures(site: HTTPServer, count: int, delay: float, prefix: str = "") -> list[str]:
    """Put different images on the site, which takes its time to answer, and return their URLs."""

    def answer(request: Request) -> Response:
        time.sleep(delay)
        return Response(encoded(drawing(int(request.path.rpartition("-")[2].removesuffix(".jpg")))))

    paths = [f"/{prefix}-{number}.jpg" for number in range(count)]
    for path in paths:
        site.expect_request(path).respond_with_handler(answer)
    return [site.url_for(path) for path in paths]
