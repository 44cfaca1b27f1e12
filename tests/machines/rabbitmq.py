"""A RabbitMQ node of the tests' own: on loopback, in a folder, with little memory."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from kombu import Connection

from backend.processes import free_port
from tests.conftest import until

CONFIGURATION = """
listeners.tcp.1 = 127.0.0.1:{port}
vm_memory_high_watermark.absolute = 256MB
disk_free_limit.absolute = 50MB
"""


def find_program() -> str | None:
    """Return the path of RabbitMQ's start script, or None if it is not installed."""
    # Debian's wrapper on the PATH changes to a user and a folder of its own.
    packaged = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    return str(packaged) if packaged.exists() else shutil.which("rabbitmq-server")


class Rabbit:
    """One node with its own port mapper, both on loopback; what it holds survives a restart.

    Args:
        program: RabbitMQ's start script.
        folder: where its data, logs and its cookie go.
    """

    def __init__(self, program: str, folder: Path) -> None:
        self._program = program
        self._folder = folder
        self._port = free_port("127.0.0.1")
        mapper_port = free_port("127.0.0.1")
        (folder / "rabbitmq.conf").write_text(CONFIGURATION.format(port=self._port))
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(mapper_port),
            "RABBITMQ_NODENAME": "assay-test@localhost",
            "RABBITMQ_DIST_PORT": str(free_port("127.0.0.1")),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            # One scheduler that sleeps when idle; nodes of other machines may not speak to it.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none"
            ),
        }
        self._mapper: subprocess.Popen[bytes] | None = None
        self._node: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The broker's URL."""
        return f"amqp://guest:guest@127.0.0.1:{self._port}//"

    def start(self) -> None:
        """Start the node and wait until it takes connections."""
        if self._mapper is None:  # else the node starts one, which outlives it
            self._mapper = self._run("epmd")
        self._node = self._run(self._program)
        until(self._answers, "RabbitMQ takes connections", 120)

    def kill(self) -> None:
        """Kill the node, as when its machine loses power."""
        self._signal(signal.SIGKILL)
        assert self._node is not None
        self._node.wait(10)

    def pause(self) -> None:
        """Let the node hang: its connections stay, and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """End a pause."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """End everything."""
        if self._node is not None and self._node.poll() is None:
            self.kill()
        if self._mapper is not None:
            self._mapper.kill()
            self._mapper.wait(10)

    def _run(self, program: str) -> subprocess.Popen[bytes]:
        with (self._folder / "output.log").open("ab") as log:
            return subprocess.Popen(
                [program],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _signal(self, number: signal.Signals) -> None:
        assert self._node is not None
        os.killpg(self._node.pid, number)

    def _answers(self) -> bool:
        assert self._node is not None
        assert self._node.poll() is None, (self._folder / "output.log").read_text()
        with suppress(OSError), Connection(self.url, connect_timeout=2) as connection:
            connection.connect()
            return True
        return False
