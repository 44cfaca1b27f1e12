"""Machines of a network of its own: network namespaces, each with a wire to a hub.

Nothing of it touches the network of the machine that runs the tests: the addresses exist inside the
namespaces only, and a namespace ends with the process that holds it.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.conftest import until

HUB = "10.77.0.1"
NETWORK = "10.77.0.0/24"
CLONE_NEWNET = 0x40000000  # <sched.h>


def missing() -> str | None:
    """Return what keeps us from making namespaces here, or None if nothing does."""
    if absent := [program for program in ("ip", "unshare", "nsenter") if not shutil.which(program)]:
        return f"no {', '.join(absent)} here; Debian and Ubuntu: apt install iproute2 util-linux"
    if subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode:
        return "network namespaces may be made by root only"
    return None


class Machine:
    """A network namespace, held by a process that sleeps."""

    def __init__(self, stack: ExitStack) -> None:
        self._holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        stack.callback(self._end)
        self._namespace = Path(f"/proc/{self._holder.pid}/ns/net")
        ours = Path("/proc/self/ns/net").readlink()
        until(lambda: self._namespace.readlink() != ours, "the namespace is there")
        self.ip("link", "set", "lo", "up")

    @property
    def pid(self) -> str:
        """The process whose network it is."""
        return str(self._holder.pid)

    @property
    def enter(self) -> tuple[str, ...]:
        """The command that runs a command on this machine."""
        return ("nsenter", f"--net={self._namespace}")

    def ip(self, *arguments: str) -> None:
        """Change its network."""
        subprocess.run([*self.enter, "ip", *arguments], check=True)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Let this thread, and all that it starts, be on the machine."""
        home = os.open("/proc/self/ns/net", os.O_RDONLY)
        try:
            _set_namespace(os.open(self._namespace, os.O_RDONLY))
            yield
        finally:
            _set_namespace(home)

    def _end(self) -> None:
        self._holder.kill()
        self._holder.wait(10)


def _set_namespace(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)  # Python has it from 3.12 on
    try:
        if libc.setns(descriptor, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(descriptor)


class Network:
    """A hub, and machines around it that can be cut off.

    Args:
        stack: ends what is started.
        size: machines beside the hub.
    """

    def __init__(self, stack: ExitStack, size: int) -> None:
        self.hub = Machine(stack)
        self.hub.ip("link", "add", "bridge", "type", "bridge")
        self.hub.ip("address", "add", f"{HUB}/24", "dev", "bridge")
        self.hub.ip("link", "set", "bridge", "up")
        self.machines = [Machine(stack) for _ in range(size)]
        for number, machine in enumerate(self.machines):
            wire = f"wire{number}"
            self.hub.ip("link", "add", wire, "type", "veth", "peer", "eth0", "netns", machine.pid)
            self.hub.ip("link", "set", wire, "master", "bridge", "up")
            machine.ip("address", "add", f"10.77.0.{10 + number}/24", "dev", "eth0")
            machine.ip("link", "set", "eth0", "up")

    def cut(self, number: int) -> None:
        """Cut a machine's wire: no more packets, and nobody is told."""
        self.hub.ip("link", "set", f"wire{number}", "down")

    def mend(self, number: int) -> None:
        """Join the machine's wire again."""
        self.hub.ip("link", "set", f"wire{number}", "up")


@contextmanager
def network(size: int) -> Iterator[Network]:
    """Make a network, with this thread on its hub."""
    with ExitStack() as stack:
        made = Network(stack, size)
        with made.hub.inside():
            yield made
