"""Run inside a network namespace: use all of Assay, with a trap at every address that there is.

``unshare --map-root-user --net --mount python -m tests.backend.namespace FOLDER`` prints one JSON
object: what each URL ended with, where connections arrived, where any packet was sent, which names
were looked up, and which files were written outside the data folder.

In the namespace every IPv4 and IPv6 address is this machine's own, so a connection to any of them
is accepted, answered with an image, and noted. Names are answered by a hosts file. `CI` is unset,
because libraries that report their use are silent where it is set.
"""

from __future__ import annotations

import ipaddress
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from backend.embedded_valkey import find_store
from models.manifest import load_manifest
from settings import Settings
from tests.conftest import until
from tests.pictures import encoded, photograph
from tests.workers.fetching.servers import answer, redirect
from tests.workers.fetching.test_addresses import NEVER_REACHABLE
from workers.celery_app import make_celery
from workers.scheduling.queues import Job, enqueue
from workers.storage.stores import Stores

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
CONTROL_NAME = "control.example"
"""Looked up by the test itself, to see that the name server would notice."""
API = "http://127.0.0.1:8750"


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
    stores = Stores.open(settings, load_manifest().version_for(settings.second_look))
    stores.claims.claim_queued(urls)
    jobs: list[Job] = [
        {"address": url, "since": 0, "referer": None, "queue": "interactive"} for url in urls
    ]
    enqueue(make_celery(settings, stores.redis), jobs, "interactive")
    deadline = time.monotonic() + 120
    while None in (known := stores.cache.lookup(urls)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return {
        url: "pending" if each is None else each.error.code if each.error else "done"
        for url, each in zip(urls, known, strict=True)
    }


class NameServer:
    """Answers no query, and records the name that each asks for (RFC 1035 §4.1.2)."""

    def __init__(self) -> None:
        self.asked: set[str] = set()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 53))
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            query = self._socket.recv(512)
            labels, at = [], 12
            while length := query[at]:
                labels.append(query[at + 1 : at + 1 + length].decode())
                at += 1 + length
            self.asked.add(".".join(labels))


class Person:
    """Runs `assay` in folders of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._folders = {name: folder / name for name in ("home", "temporary", "here", "training")}
        for each in self._folders.values():
            each.mkdir()
        self._environment = {name: value for name, value in os.environ.items() if name != "CI"} | {
            "HOME": str(self._folders["home"]),
            "TMPDIR": str(self._folders["temporary"]),
            "ASSAY_DATA_DIR": str(folder / "data"),
        }
        self._assay = str(Path(sys.executable).parent / "assay")
        self._photo = folder / "photo.jpg"
        self._photo.write_bytes(encoded(photograph(), "JPEG"))

    def check(self, url: str) -> None:
        """Check a file and a URL, without a server."""
        self._run("check", str(self._photo), url)

    @contextmanager
    def serving(self) -> Iterator[Settings]:
        """Run a server."""
        command = [self._assay, "serve"]
        server = subprocess.Popen(command, cwd=self._folders["here"], env=self._environment)
        try:
            until(_is_ready, "the server is ready", 200)
            settings = Settings(data_dir=self._folder / "data")
            yield settings.model_copy(update={"redis_url": find_store(settings)})
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(60)

    def upload_and_scan(self, url: str) -> None:
        """Use a server."""
        with self._photo.open("rb") as image:
            answer = requests.post(f"{API}/v1/images", files={"image": image}, timeout=60)
        answer.raise_for_status()
        urls = self._folder / "urls.txt"
        urls.write_text(f"{url}\n")
        self._run("scan", str(urls), "-o", str(self._folder / "results.jsonl"))

    def import_training(self) -> None:
        """Import what trains and what measures.

        Keras and Matplotlib keep their settings and their list of fonts at home.
        """
        modules = "import training.export, training.convert, bench.inference"
        environment = self._environment | {"HOME": str(self._folders["training"])}
        subprocess.run([sys.executable, "-c", modules], check=True, env=environment)

    def _run(self, *arguments: str) -> None:
        command = [self._assay, *arguments]
        subprocess.run(command, check=True, cwd=self._folders["here"], env=self._environment)

    def written(self) -> list[str]:
        """Return what is in the folders, all of which are outside the data folder."""
        return sorted(
            str(path.relative_to(self._folder))
            for folder in self._folders.values()
            for path in folder.rglob("*")
        )


def _is_ready() -> bool:
    try:
        return requests.get(f"{API}/readyz", timeout=10).ok
    except requests.RequestException:
        return False


def main(folder: Path) -> None:
    own_every_address(folder)
    private = private_addresses()
    targets = [url_of(address) for address in private]
    targets += [f"http://{name}/a.jpg" for name in NAMES]
    trap, tap, names = Trap(targets), Tap(), NameServer()
    person = Person(folder)
    person.check("http://public.example/checked.jpg")
    with person.serving() as settings:
        person.upload_and_scan("http://public.example/scanned.jpg")
        literal = give_to_workers(settings, [url_of(address) for address in private])
        named = give_to_workers(settings, [f"http://{name}/b.jpg" for name in NAMES])
        redirected = {}
        hops = [f"http://public.example/to/{number}" for number in range(len(targets))]
        for start in range(0, len(hops), 100):
            redirected |= check(API, hops[start : start + 100])
    person.import_training()
    reached, sent, asked = set(trap.reached), set(tap.sent), set(names.asked)
    socket.create_connection((CONTROL, 80), timeout=10).close()
    until(lambda: CONTROL in trap.reached and CONTROL in tap.sent, "the connection is noticed")
    subprocess.run([sys.executable, "-c", f"import socket; socket.gethostbyname({CONTROL_NAME!r})"])
    until(lambda: CONTROL_NAME in names.asked, "the query is noticed")
    print(
        json.dumps(
            {
                "literal": literal,
                "named": named,
                "redirected": dict(zip(targets, redirected.values(), strict=True)),
                "reached": sorted(reached),
                "sent": sorted(sent),
                "asked": sorted(asked),
                "written": person.written(),
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
