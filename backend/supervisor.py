"""The supervisor: runs Valkey, the workers and the API on this machine as child processes."""

from __future__ import annotations

import signal
import sys
import threading
import time
from contextlib import suppress
from itertools import groupby
from types import FrameType
from typing import IO, Self

import psutil
import requests

from backend import embedded_valkey
from backend.client import local_server
from backend.processes import (
    STOP_SIGNALS,
    ManagedProcess,
    PidFile,
    SupervisorError,
    end_processes,
    free_port,
    lock_data_dir,
    signals_held,
    start_process,
)
from settings import Settings

START_SECONDS = 180.0
"""Time that the processes have until the API is ready. One that ends is noticed at once."""
RESERVED_PROCESSES = 1
"""Worker processes, in addition to those of the settings, that serve interactive checks only."""
_WORKERS = ("worker", "worker-interactive")


class Supervisor:
    """Starts all processes on entry. Stops them on exit, the API first and Valkey last.

    Only one supervisor can run on a data directory. It first ends the processes that an earlier one
    left behind because it was killed.

    Args:
        settings: `bind` is where the API listens; port 0 is any free port.

    Raises:
        SupervisorError: on entry, if a process cannot start.

    Attributes:
        settings: with the port and the Redis that are used.
        processes: the children, in the order of their start.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.processes: list[ManagedProcess] = []
        self._pid_file = _pid_file(settings)
        self._lock: IO[str] | None = None

    @property
    def url(self) -> str:
        """The API's base URL, as this machine reaches it."""
        return local_server(self.settings.bind)

    def __enter__(self) -> Self:
        self.settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = lock_data_dir(self.settings.data_dir)
        try:
            self._pid_file.end_processes()
            self.settings = _with_port(self.settings)
            if self.settings.redis_url is None:
                self._start_valkey()
            self._start_role("worker")
            # Bulk work never takes the last process from interactive checks.
            self._start_role(
                "worker", "--queue", "interactive", name=_WORKERS[1], processes=RESERVED_PROCESSES
            )
            self._start_role("api")
            self._wait_until_ready()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def check(self) -> None:
        """Check that every process still runs.

        Raises:
            SupervisorError: one has ended.
        """
        for each in self.processes:
            each.check()

    def worker_processes(self) -> list[psutil.Process]:
        """Return the processes that run tasks: those of all queues, then the reserved ones."""
        workers = [each for each in self.processes if each.name in _WORKERS]
        return [child for each in workers for child in psutil.Process(each.process.pid).children()]

    def _start_valkey(self) -> None:
        with signals_held():
            server, url = embedded_valkey.start_valkey(self.settings)
            self._add(server)
        embedded_valkey.wait_for_valkey(server, url)
        embedded_valkey.write_url(self.settings, url)
        self.settings = self.settings.model_copy(update={"redis_url": url})

    def _start_role(
        self, role: str, *options: str, name: str | None = None, processes: int | None = None
    ) -> None:
        """Start a role of the command line, with another number of worker processes if given."""
        more = {} if processes is None else {"worker_processes": processes}
        command = [sys.executable, "-m", "backend.cli", role, *options]
        settings = self.settings.model_copy(update=more)
        with signals_held():
            self._add(start_process(name or role, command, settings))

    def _add(self, process: ManagedProcess) -> None:
        self.processes.append(process)
        self._pid_file.write(self.processes)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            self.check()
            if is_ready(self.url):
                return
            time.sleep(0.1)
        raise SupervisorError(
            f"Not ready after {START_SECONDS:.0f} s. The logs are in {self.settings.data_dir}."
        )

    def _stop(self) -> None:
        def is_worker(each: ManagedProcess) -> bool:
            return each.name in _WORKERS

        for _, group in groupby(reversed(self.processes), is_worker):
            end_processes(*(each.process for each in group))
        self.processes.clear()
        if self._lock is not None:
            self._pid_file.path.unlink(missing_ok=True)
            embedded_valkey.url_file(self.settings).unlink(missing_ok=True)
            self._lock.close()
            self._lock = None


def end_leftovers(settings: Settings) -> None:
    """End what a killed supervisor left behind on the data directory, unless another one runs.

    Otherwise its API, which still answers, would be taken for a server that somebody runs.
    """
    pid_file = _pid_file(settings)
    if not pid_file.path.exists():
        return
    with suppress(SupervisorError), lock_data_dir(settings.data_dir):
        pid_file.end_processes()
        pid_file.path.unlink(missing_ok=True)


def serve(settings: Settings) -> None:
    """Run everything until Ctrl-C, SIGTERM, or the end of the terminal.

    Raises:
        SupervisorError: a process cannot start, or ended by itself.
    """
    stop = threading.Event()

    def request_stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    with Supervisor(settings) as supervisor:
        for number in STOP_SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as SIGHUP is under nohup
                signal.signal(number, request_stop)
        print(_welcome(supervisor), flush=True)
        while not stop.wait(1):
            supervisor.check()
        print("Stopping. Running work is finished first …", flush=True)
    print("Stopped.", flush=True)


def is_ready(url: str) -> bool:
    """Return whether an Assay API at this base URL can check images."""
    try:
        with requests.Session() as session:
            session.trust_env = False  # no proxy
            return session.get(f"{url}/readyz", timeout=2).ok
    except requests.RequestException:
        return False


def _welcome(supervisor: Supervisor) -> str:
    assay = sys.argv[0]  # as it was called, so that the user can call it again
    return (
        f"Assay is ready at {supervisor.url}\n"
        f"  open in a browser:     {supervisor.url}/\n"
        f"  try the API:           {supervisor.url}/openapi\n"
        f"  check an image:        {assay} check FILE_OR_URL\n"
        f"  scan a list of URLs:   {assay} scan LIST -o results.jsonl\n"
        f"  badges on web pages:   install the extension, see the README\n"
        f"  data and logs:         {supervisor.settings.data_dir}\n"
        "Ctrl-C stops it."
    )


def _pid_file(settings: Settings) -> PidFile:
    return PidFile(settings.data_dir / "stack.json")


def _with_port(settings: Settings) -> Settings:
    """Replace port 0 by a free one.

    Raises:
        SupervisorError: the port is taken.
    """
    host, _, port = settings.bind.rpartition(":")
    try:
        free = free_port(host.strip("[]"), int(port))
    except OSError as error:
        raise SupervisorError(
            f"Cannot listen on {settings.bind}: {error.strerror}. "
            "Stop the program that does, or set ASSAY_BIND to another address."
        ) from None
    return settings.model_copy(update={"bind": f"{host}:{free}"})
