"""Child processes of the supervisor: their logs, their environment, and how they are ended."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from settings import Settings

STOP_SECONDS = 90.0
"""Time that a process has to finish its work; longer than a task's hard time limit."""

PORTS = range(20_000, 32_768)
"""Linux gives none of them to a connection or to who binds port 0 (ip_local_port_range, ip(7)), so
that a free one is still free when the process that is to listen there has started."""

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, a request to end, and the end of the terminal."""


class SupervisorError(Exception):
    """Assay cannot start, or one of its processes ended; the message says why and what to do."""


@dataclass
class ManagedProcess:
    """A child process with its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        """Check that the process still runs.

        Raises:
            SupervisorError: it has ended; the message has the end of its log.
        """
        if (code := self.process.poll()) is not None:
            lines = self.log.read_text(errors="replace").splitlines()[-15:]
            raise SupervisorError(
                f"The {self.name} ended by itself (exit code {code}). "
                f"The end of its log, {self.log}:\n" + "\n".join(lines)
            )


def start_process(
    name: str, command: Sequence[str], settings: Settings, stdin: bytes | None = None
) -> ManagedProcess:
    """Start a process whose log is in the data directory.

    It gets a process group of its own, so that Ctrl-C in a terminal reaches the parent only. It
    stays in the parent's session: Linux shares the CPU evenly among sessions whatever the niceness
    of their processes (sched(7), autogroups), and bulk work would not yield to interactive work.

    Args:
        name: the log is ``<name>.log``.
        command: program and arguments.
        settings: passed on as environment variables.
        stdin: written to the process's standard input, which is then closed.
    """
    log = settings.data_dir / f"{name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603
            command,
            env=environment(settings),
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=output,
            stderr=output,
            process_group=0,
        )
    if stdin is not None and process.stdin is not None:
        process.stdin.write(stdin)
        process.stdin.close()
    return ManagedProcess(name, process, log)


@contextmanager
def signals_held() -> Iterator[None]:
    """Handle `STOP_SIGNALS` after the block, not within it.

    A handler that raises just after a process has started would leave that process behind, known to
    nobody.
    """
    arrived: list[int] = []
    handlers = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    if threading.current_thread() is not threading.main_thread():
        yield  # Python handles signals in the main thread only.
        return
    for number, handler in handlers.items():
        if handler is not signal.SIG_IGN:  # as SIGHUP is under nohup
            signal.signal(number, lambda number, _frame: arrived.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    for each in arrived:
        signal.raise_signal(each)


def environment(settings: Settings) -> dict[str, str]:
    """Return this process's environment, with variables that give a child the same settings."""
    environment = dict(os.environ)
    for name, value in settings.model_dump(mode="json").items():
        if value is None:
            continue
        text = ",".join(value) if isinstance(value, list) else str(value)
        environment[f"ASSAY_{name.upper()}"] = text
    return environment


def end_processes(*processes: subprocess.Popen[bytes] | psutil.Process) -> None:
    """Terminate processes together; kill those that still run after `STOP_SECONDS`."""
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


class PidFile:
    """The pids of running children, for the next start to end if this process is killed.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, processes: Sequence[ManagedProcess]) -> None:
        """Write pids with start times, because a pid alone may be reused by another process."""
        running = {
            each.process.pid: psutil.Process(each.process.pid).create_time()
            for each in processes
            if each.process.poll() is None
        }
        self.path.write_text(json.dumps(running))

    def end_processes(self) -> None:
        """End the recorded processes that still run, the last started first."""
        try:
            recorded: dict[str, float] = json.loads(self.path.read_text())
        except (FileNotFoundError, ValueError):
            return
        for pid, created in reversed(recorded.items()):
            try:
                process = psutil.Process(int(pid))
                if process.create_time() == created:
                    end_processes(process)
            except psutil.NoSuchProcess:
                continue


def lock_data_dir(folder: Path) -> IO[str]:
    """Lock the data directory until the returned file is closed.

    Raises:
        SupervisorError: another Assay uses it.
    """
    lock = (folder / "stack.lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise SupervisorError(
            f"Another Assay runs with the data directory {folder}. "
            "Stop it, or set ASSAY_DATA_DIR to another folder."
        ) from None
    return lock


def free_port(host: str, port: int = 0) -> int:
    """Return the port (for 0, any of `PORTS`) if nothing listens on it at this address.

    Raises:
        OSError: something listens there, or the address is not an address of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    while True:
        wanted = port or secrets.choice(PORTS)
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gunicorn does
            try:
                probe.bind((host, wanted))
            except OSError as error:
                if port or error.errno != errno.EADDRINUSE:
                    raise
            else:
                return wanted
