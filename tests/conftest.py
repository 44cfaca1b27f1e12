"""Real parts for the tests: a Valkey, the whole stack, and a web site on loopback."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from redis import Redis, RedisError

from backend import stack as stack_module
from backend.stack import Stack, find_server
from settings import Settings
from workers.store import Store

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests mean the same whatever the machine's environment says."""
    import os

    for name in [name for name in os.environ if name.startswith("ASSAY_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Valkey of the tests' own, without persistence."""
    port = stack_module.free_port("127.0.0.1")
    process = subprocess.Popen(
        [find_server(), "--bind", "127.0.0.1", "--port", str(port), "--save", ""],
        cwd=tmp_path_factory.mktemp("valkey"),
        stdout=subprocess.DEVNULL,
    )
    url = f"redis://127.0.0.1:{port}/0"
    try:
        _wait_for(url)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 20
    with Redis.from_url(url) as redis:
        while True:
            try:
                redis.ping()
            except RedisError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return


@pytest.fixture
def redis(valkey_url: str) -> Iterator[Redis]:
    """A client of an empty Valkey."""
    with Redis.from_url(valkey_url) as client:
        client.flushall()
        yield client


@pytest.fixture
def store(redis: Redis) -> Store:
    """An empty store."""
    return Store(redis, model_version="test-1", verdict_ttl=3600, failure_ttl=300)


@pytest.fixture
def free_port() -> int:
    """A loopback port on which nobody listens."""
    return stack_module.free_port("127.0.0.1")


def settings_at(folder: Path, **more: object) -> Settings:
    """Return settings that keep everything in this folder and may fetch from loopback."""
    return Settings(
        data_dir=folder,
        bind="127.0.0.1:0",
        fetch_allow_nets=LOOPBACK,
        **more,  # type: ignore[arg-type]
    )


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole of Assay: Valkey, worker processes and the API, on free ports."""
    with Stack(settings_at(tmp_path_factory.mktemp("assay"))) as running:
        yield running


@pytest.fixture
def site() -> Iterator[HTTPServer]:
    """A web site on loopback, on a port of its own; `site.log` has the requests."""
    with HTTPServer(host="127.0.0.1", threaded=True) as server:
        yield server


def hits(site: HTTPServer, path: str) -> int:
    """Count the requests for a path."""
    return sum(request.path == path for request, _ in site.log)


def until(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Wait for something to become true; fail if it does not."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not in {seconds} s: {what}"
        time.sleep(0.02)
