"""Run inside a network namespace: all of Assay, and a trap at every address that there is.

``unshare --map-root-user --net --mount python -m tests.backend.namespace FOLDER`` prints one JSON
object: what each URL ended with, where connections arrived, and where any packet was sent.

In the namespace every IPv4 and IPv6 address is this machine's own, so a connection to any of them
is accepted, answered with an image, and noted. Names are answered by a hosts file.
"""

from __future__ import annotations

import ipaddress
import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import requests

from backend.stack import Stack
from models.manifest import load_manifest
from settings import Settings
from tests.pictures import encoded, photograph
from tests.workers.fetch.servers import answer, redirect
from tests.workers.fetch.test_addresses import NEVER_REACHABLE
from workers.app import make_celery
from workers.queue import Job, enqueue
from workers.store import Store

PUBLIC = {"8.8.8.8", "2606:4700:4700::1111"}
NAMES = {
    "public.example": ["8.8.8.8"],
    "public6.example": ["2606:4700:4700::1111"],
    "private.example": ["10.0.0.1"],
    "metadata.example": ["169.254.169.254"],
    "loopback.example": ["127.0.0.1"],
    "mixed.example": ["8.8.8.8", "192.168.1.1"],
    "mapped.example": ["::ffff:10.0.0.1"],
    "local6.example": ["fd00::1"],
}
CONTROL = "10.99.99.99"
"""Where the test itself connects to, to see that the trap and the tap would notice."""


def private_addresses() -> list[str]:
    """The first, middle and last address of every range that may never be reached."""
    networks = map(ipaddress.ip_network, NEVER_REACHABLE)
    return list(
        dict.fromkeys(
            str(address)
            for net in networks
            for address in (net[0], net[net.num_addresses // 2], net[-1])
        )
    )


def url_of(address: str) -> str:
    return f"http://[{address}]/a.jpg" if ":" in address else f"http://{address}/a.jpg"


class Trap:
    """Answers on port 80 of every address; a path `to/N` is a redirect to the Nth target."""

    def __init__(self, targets: list[str]) -> None:
        self.reached: set[str] = set()
        self._targets = targets
        self._image = answer(encoded(photograph().resize((128, 128))))
        self._socket = socket.create_server(
            ("::", 80), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64
        )
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            self.reached.add(plain(connection.getsockname()[0]))
            path = connection.recv(65_536).decode("latin-1").split(" ")[1:2]
            _, _, number = "".join(path).partition("/to/")
            connection.sendall(redirect(self._targets[int(number)]) if number else self._image)


class Tap:
    """Notes the destination of every packet that this namespace sends."""

    def __init__(self) -> None:
        self.sent: set[str] = set()
        # All protocols (linux/if_ether.h, ETH_P_ALL), without the link's header.
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            packet = self._socket.recv(128)
            place = slice(16, 20) if packet[0] >> 4 == 4 else slice(24, 40)
            self.sent.add(plain(str(ipaddress.ip_address(packet[place]))))


def plain(address: str) -> str:
    return address.removeprefix("::ffff:") if "." in address else address


def own_every_address(folder: Path) -> None:
    """Make every address this machine's, and every name the hosts file's."""
    hosts = folder / "hosts"
    hosts.write_text("".join(f"{a} {name}\n" for name, each in NAMES.items() for a in each))
    resolver = folder / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    for command in (
        "ip link set lo up",
        "ip route add local 0.0.0.0/0 dev lo",
        "ip -6 route add local ::/0 dev lo",
        f"mount --bind {hosts} /etc/hosts",
        f"mount --bind {resolver} /etc/resolv.conf",
    ):
        subprocess.run(command.split(), check=True)


def check(api: str, urls: list[str]) -> dict[str, str]:
    """Check through the API; the code of each URL, `done` for a verdict."""
    reply = requests.post(f"{api}/v1/checks", json={"urls": urls, "wait": 20}, timeout=60)
    while reply.status_code == 202:
        where = api + reply.headers["Location"]
        reply = requests.get(where, params={"wait": 20}, timeout=60)
    return {
        item["url"]: item["error"]["code"] if "error" in item else item["status"]
        for item in reply.json()["items"]
    }


def give_to_workers(settings: Settings, urls: list[str]) -> dict[str, str]:
    """Queue jobs as if the API had let them pass, for the workers vet for themselves."""
    store = Store.open(settings, load_manifest().version_with(settings.second_look))
    store.claim(urls)
    jobs: list[Job] = [
        {"address": url, "since": 0, "referer": None, "queue": "interactive"} for url in urls
    ]
    enqueue(make_celery(settings), jobs, "interactive")
    deadline = time.monotonic() + 120
    while None in (known := store.lookup(urls)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return {
        url: "pending" if each is None else each.error.code if each.error else "done"
        for url, each in zip(urls, known, strict=True)
    }


def main(folder: Path) -> None:
    own_every_address(folder)
    private = private_addresses()
    targets = [url_of(address) for address in private]
    targets += [f"http://{name}/a.jpg" for name in NAMES]
    trap, tap = Trap(targets), Tap()
    with Stack(Settings(data_dir=folder / "data", bind="127.0.0.1:0")) as stack:
        literal = give_to_workers(stack.settings, [url_of(address) for address in private])
        named = give_to_workers(stack.settings, [f"http://{name}/b.jpg" for name in NAMES])
        redirected = {}
        hops = [f"http://public.example/to/{number}" for number in range(len(targets))]
        for start in range(0, len(hops), 100):
            redirected |= check(stack.url, hops[start : start + 100])
    reached, sent = set(trap.reached), set(tap.sent)
    socket.create_connection((CONTROL, 80), timeout=10).close()
    deadline = time.monotonic() + 10
    while not (CONTROL in trap.reached and CONTROL in tap.sent) and time.monotonic() < deadline:
        time.sleep(0.05)
    print(
        json.dumps(
            {
                "literal": literal,
                "named": named,
                "redirected": dict(zip(targets, redirected.values(), strict=True)),
                "reached": sorted(reached),
                "sent": sorted(sent),
                "noticed": CONTROL in trap.reached and CONTROL in tap.sent,
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
