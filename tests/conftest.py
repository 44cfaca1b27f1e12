"""Real parts for the tests: a Valkey, the whole stack, and a web site on loopback."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from pathlib import Path

import hypothesis
import pytest
from pytest_httpserver import HTTPServer
from redis import Redis, RedisError

from backend import processes
from backend.embedded_valkey import find_server
from backend.supervisor import Supervisor
from settings import Settings
from workers.storage.scans import Scans
from workers.storage.stores import Stores

# How long an example takes says nothing on a busy machine. What `CI` changes stays.
hypothesis.settings.register_profile(
    "assay",
    hypothesis.settings(),
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("assay")

TESTS = Path(__file__).parent
WAITING_FOLDERS = ("machines", "faults")
"""Folders of long scenarios, which mostly wait until what was killed or cut off is missed."""
SLOW_FOLDERS = (*WAITING_FOLDERS, "e2e", "fuzz", "training")
"""Those, and folders of what drives a browser or needs Keras, whose import takes long."""
SLOW_FIXTURES = {"stack", "unused_stack", "talkative", "described"}
"""Fixtures that start several processes."""

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import the slow folders where slow tests are left out."""
    is_slow = collection_path.parent == TESTS and collection_path.name in SLOW_FOLDERS
    return True if is_slow and config.option.markexpr == "not slow" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark slow tests, and run their files first, so that no process ends long after the rest.

    Files that wait and files that work take turns, so that the processor is never idle.
    """
    for item in items:
        fixtures = item.fixturenames  # type: ignore[attr-defined]
        if _folder(item.path) in SLOW_FOLDERS or SLOW_FIXTURES.intersection(fixtures):
            item.add_marker(pytest.mark.slow)
    slow = dict.fromkeys(item.path for item in items if item.get_closest_marker("slow"))
    # Backwards, because `machines` has the longest.
    waiting = [path for path in reversed(slow) if _folder(path) in WAITING_FOLDERS]
    working = [path for path in slow if path not in waiting]
    turns = {path: turn for paths in (waiting, working) for turn, path in enumerate(paths)}
    items.sort(key=lambda item: turns.get(item.path, len(slow)))


def _folder(path: Path) -> str:
    """Return the folder of a test's file, or its name if it is in none."""
    return path.relative_to(TESTS).parts[0]


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests mean the same whatever the machine's environment says."""
    import os

    for name in [name for name in os.environ if name.startswith("ASSAY_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Valkey of the tests' own, without persistence."""
    port = processes.free_port("127.0.0.1")
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
def stores(redis: Redis) -> Stores:
    """Empty stores, of a model version of the tests' own."""
    return stores_of(redis)


def stores_of(redis: Redis, model_version: str = "test-1") -> Stores:
    """Return the stores of a model version."""
    settings = Settings(fetch_allow_nets=LOOPBACK, revalidate_after=3600, verdict_ttl=3600)
    return Stores(redis, settings, model_version)


@pytest.fixture
def scans(stores: Stores) -> Scans:
    """No scans yet."""
    return stores.scans


@pytest.fixture
def free_port() -> int:
    """A loopback port on which nobody listens."""
    return processes.free_port("127.0.0.1")


def settings_at(folder: Path, **more: object) -> Settings:
    """Return settings that keep everything in this folder and may fetch from loopback."""
    return Settings(
        data_dir=folder,
        bind="127.0.0.1:0",
        fetch_allow_nets=LOOPBACK,
        **more,  # type: ignore[arg-type]
    )


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervisor]:
    """The whole of Assay: Valkey, worker processes and the API, on free ports."""
    with Supervisor(settings_at(tmp_path_factory.mktemp("assay"))) as running:
        yield running


class QuickHTTPServer(HTTPServer):
    """Stops at once; others look only twice a second whether they are to stop."""

    def thread_target(self) -> None:
        """Serve until it is stopped."""
        assert self.server is not None
        self.server.serve_forever(poll_interval=0.02)


@pytest.fixture
def site() -> Iterator[HTTPServer]:
    """A web site on loopback, on a port of its own; `site.log` has the requests."""
    with QuickHTTPServer(host="127.0.0.1", threaded=True) as server:
        yield server


def hits(site: HTTPServer, path: str) -> int:
    """Count the requests for a path."""
    return sum(request.path == path for request, _ in site.log)


def until(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Wait for something to become true; fail if it does not."""
    deadline = time.monotonic() + seconds
    pause = 0.01
    while not condition():
        assert time.monotonic() < deadline, f"not in {seconds} s: {what}"
        time.sleep(pause)
        pause = min(0.1, 1.5 * pause)  # polling takes processor time from what is polled
