"""More than one Valkey: a cluster, and a master with its replica, watched by Sentinels."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from redis import Redis, RedisError

from backend.embedded_valkey import find_server
from backend.processes import free_port
from tests.conftest import until

SLOTS = 16384
SENTINELS = 3
"""So that two, a majority, are left when one's machine goes with the master's."""
SERVICE = "assay"
# Times in ms. A master that is silent for so long is given up.
SENTINEL = """
bind 127.0.0.1
port {port}
sentinel monitor {service} 127.0.0.1 {master} 2
sentinel down-after-milliseconds {service} 1500
sentinel failover-timeout {service} 10000
"""


class Node:
    """One Valkey process on a free port."""

    def __init__(self, folder: Path, *options: str, host: str = "127.0.0.1", port: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.host = host
        self.port = port or free_port(host)
        self._folder = folder
        self._options = options
        self.client = Redis(host=host, port=self.port, socket_timeout=5)
        self.start()

    def start(self) -> None:
        """Start it, with what it had before."""
        log = self._folder / "valkey.log"
        listen = ("--bind", self.host, "--port", str(self.port), "--save", "")
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [find_server(), *self._options, *listen],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
            )
        until(self._answers, f"the Valkey of {log} answers")

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def kill(self) -> None:
        """Kill it, as when its machine loses power."""
        self._process.kill()
        self._process.wait(10)

    def close(self) -> None:
        """End it."""
        self.client.close()
        self.kill()

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except RedisError:
            return False


@contextmanager
def cluster(folder: Path, size: int = 3) -> Iterator[list[Node]]:
    """Run a cluster of this many masters, and give them when every slot is served."""
    with ExitStack() as stack:
        nodes = []
        for number in range(size):
            bus = free_port("127.0.0.1")
            node = Node(
                folder / f"node{number}", "--cluster-enabled", "yes", "--cluster-port", str(bus)
            )
            stack.callback(node.close)
            nodes.append(node)
            first, last = number * SLOTS // size, (number + 1) * SLOTS // size - 1
            node.client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
            node.client.execute_command("CLUSTER", "MEET", "127.0.0.1", node.port, bus)
            for earlier in nodes[:-1]:
                earlier.client.execute_command("CLUSTER", "MEET", "127.0.0.1", node.port, bus)
        until(lambda: all(_knows_all(node, size) for node in nodes), "the cluster is whole")
        yield nodes


def _knows_all(node: Node, size: int) -> bool:
    info = node.client.execute_command("CLUSTER INFO")
    return info["cluster_state"] == "ok" and info["cluster_known_nodes"] == str(size)


class Watched:
    """A master, a replica, and Sentinels that promote it when the master is gone."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.master = Node(folder / "master", "--appendonly", "yes")
        stack.callback(self.master.close)
        self.replica = Node(folder / "replica", "--replicaof", "127.0.0.1", str(self.master.port))
        stack.callback(self.replica.close)
        until(lambda: self._link() == "up", "the replica follows")
        self._ports = []
        for number in range(SENTINELS):
            home = folder / f"sentinel{number}"
            home.mkdir()
            port = free_port("127.0.0.1")
            configuration = home / "sentinel.conf"
            configuration.write_text(
                SENTINEL.format(port=port, service=SERVICE, master=self.master.port)
            )
            sentinel = Node(home, str(configuration), "--sentinel", port=port)
            stack.callback(sentinel.close)
            self._ports.append(port)
            self._last = sentinel
        until(self._all_agree, "the Sentinels know the replica and each other")

    @property
    def url(self) -> str:
        """The URL of whatever is the master."""
        return f"redis+sentinel://{','.join(f'127.0.0.1:{p}' for p in self._ports)}/{SERVICE}"

    def master_port(self) -> int:
        """Return the port of what the Sentinels hold for the master."""
        return int(self._last.client.sentinel_get_master_addr_by_name(SERVICE)[1])

    def replicated(self) -> bool:
        """Tell whether the replica has all that was written."""
        return bool(self.master.client.wait(1, 1000))

    def _link(self) -> str:
        return str(self.replica.client.info("replication")["master_link_status"])

    def _all_agree(self) -> bool:
        (state,) = self._last.client.sentinel_masters().values()
        return state["num-other-sentinels"] == SENTINELS - 1 and state["num-slaves"] == 1


@contextmanager
def watched(folder: Path) -> Iterator[Watched]:
    """Run a master with its replica and Sentinels."""
    with ExitStack() as stack:
        yield Watched(folder, stack)
