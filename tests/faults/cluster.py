"""Assay as processes that a test owns: it may kill, stop and start each, and read their logs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psutil
import requests
from redis import Redis, RedisError

from backend.embedded_valkey import find_server
from backend.processes import environment, free_port
from backend.supervisor import is_ready
from settings import Settings
from tests.conftest import settings_at, until


@dataclass
class Part:
    """One program, with its own environment and log; it can be started again.

    Attributes:
        down: when it was not running or not yet ready, as pairs of `time.monotonic`.
    """

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    log: Path
    down: list[tuple[float, float]] = field(default_factory=list)
    _process: subprocess.Popen[bytes] | None = None
    _since: float = field(default_factory=time.monotonic)

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, in a session of its own."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                env=dict(self.env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def is_up(self) -> None:
        """Note that it answers again."""
        self.down.append((self._since, time.monotonic()))

    def kill(self) -> None:
        """Kill it and every process that it started, at once."""
        self._since = time.monotonic()
        family = self.family()
        for each in family:
            with suppress(psutil.NoSuchProcess):
                each.send_signal(signal.SIGKILL)
        self._wait(10)
        psutil.wait_procs(family, 10)

    def stop(self, seconds: float = 100) -> None:
        """Ask it to end, and wait until it has."""
        self._since = time.monotonic()
        if self._process is not None:
            self._process.terminate()
            self._wait(seconds)

    def family(self) -> list[psutil.Process]:
        """Return its processes, itself first."""
        if self._process is None or self._process.poll() is not None:
            return []
        first = psutil.Process(self._process.pid)
        return [first, *first.children(recursive=True)]

    def _wait(self, seconds: float) -> None:
        if self._process is not None:
            self._process.wait(seconds)

    def events(self, name: str) -> Iterator[dict[str, Any]]:
        """Yield the events of this name from its log."""
        if not self.log.exists():
            return
        for line in self.log.read_text(errors="replace").splitlines():
            if f'"{name}"' in line:
                with suppress(ValueError):
                    event = json.loads(line[line.index("{") :])
                    if event.get("event") == name:
                        yield event


class Cluster:
    """A Valkey, an API and a worker, made as an operator would, on loopback.

    Args:
        folder: holds everything.
        valkey: lines for Valkey's configuration, beside those that the embedded one has.
        second_look: as the setting; `never` is the fastest.
        prefix: a command that starts the commands given to it.
        uploads_on: the data directory, if Valkey's shall be another.
        more: other settings.
    """

    def __init__(
        self,
        folder: Path,
        *,
        valkey: str = "",
        second_look: str = "never",
        processes: int = 2,
        prefix: Sequence[str] = (),
        uploads_on: Path | None = None,
        **more: object,
    ) -> None:
        self.folder = folder
        self.prefix = prefix
        port = free_port("127.0.0.1")
        self.settings = settings_at(
            uploads_on or folder / "data",
            redis_url=f"redis://127.0.0.1:{port}/0",
            second_look=second_look,
            worker_processes=processes,
            **more,
        ).model_copy(update={"bind": f"127.0.0.1:{free_port('127.0.0.1')}"})
        store = folder / "data"
        store.mkdir(exist_ok=True)
        config = folder / "valkey.conf"
        config.write_text(
            f'bind 127.0.0.1\nport {port}\ndir "{store}"\n'
            f'appendonly yes\nappendfsync everysec\nsave ""\ndaemonize no\n{valkey}\n'
        )
        self.valkey = self._part("valkey", [find_server(), str(config)], self.settings)
        self.api = self.another_api("api", self.settings)
        self.worker = self.another_worker("worker", self.settings)
        self.workers = [self.worker]
        self.parts = [self.valkey, self.api, self.worker]
        self.redis = Redis.from_url(str(self.settings.redis_url))

    def _part(self, name: str, command: Sequence[str], settings: Settings) -> Part:
        return Part(
            name, [*self.prefix, *command], environment(settings), self.folder / f"{name}.log"
        )

    def another_worker(self, name: str, settings: Settings) -> Part:
        """Make, and do not start, a worker."""
        return self._part(name, [sys.executable, "-m", "backend.cli", "worker"], settings)

    def another_api(self, name: str, settings: Settings) -> Part:
        """Make, and do not start, an API."""
        return self._part(name, [sys.executable, "-m", "backend.cli", "api"], settings)

    def __enter__(self) -> Self:
        try:
            self.start_valkey()
            self.worker.start()
            self.start_api()
            until(lambda: is_ready(self.url), f"{self.url} is ready", 120)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for part in reversed(self.parts):
            part.kill()
        self.redis.close()

    @property
    def url(self) -> str:
        """The API's base URL."""
        return f"http://{self.settings.bind}"

    def add(self, part: Part) -> Part:
        """Own one more part, and start it."""
        self.parts.append(part)
        if "worker" in part.name:
            self.workers.append(part)
        part.start()
        return part

    def start_valkey(self) -> None:
        """Start Valkey, and wait until it has read its file."""
        self.valkey.start()
        until(self._valkey_answers, "Valkey answers")
        self.valkey.is_up()

    def _valkey_answers(self) -> bool:
        try:
            return bool(self.redis.ping())
        except RedisError:
            return False

    def start_api(self) -> None:
        """Start the API, and wait until it answers."""
        self.api.start()
        until(lambda: answers(self.url), f"{self.url} answers", 120)
        self.api.is_up()

    def restart_worker(self, *, gracefully: bool = False) -> None:
        """End the worker and start another."""
        self.worker.stop() if gracefully else self.worker.kill()
        self.worker.start()

    def kill_a_judge(self) -> None:
        """Kill one of the processes that fetch and judge; the worker itself goes on."""
        until(lambda: len(self.worker.family()) > 1, "the worker has a process", 120)
        os.kill(self.worker.family()[1].pid, signal.SIGKILL)

    # What is counted

    def judged(self) -> Counter[tuple[str, str]]:
        """Count, for each model version and content hash, how often it was judged."""
        return Counter(
            (part.env["ASSAY_SECOND_LOOK"], event["sha256"])
            for part in self.workers
            for event in part.events("classified")
        )

    def api_was_down(self, at: float, grace: float = 0.5) -> bool:
        """Tell whether the API was stopped, or started, at a time."""
        return any(since - grace <= at <= until_ + grace for since, until_ in self.api.down)


def answers(url: str) -> bool:
    """Tell whether an API answers at all."""
    try:
        return requests.get(f"{url}/healthz", timeout=2).ok
    except requests.RequestException:
        return False
