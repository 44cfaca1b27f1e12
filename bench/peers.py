"""Compares Assay with LitServe, which serves the same ensemble: `python -m bench.peers`.

Both judge the same kind of JPEGs on the same cores, with one worker process per core, by URL from a
web server on loopback, and by upload. 1, 8 and 64 clients each send the next image when they have
the answer. LitServe has no client library, so plain requests are the load of both. Every image has
bytes of its own, except in the last row, where 16 images repeat. The rounds alternate, so drift of
the machine affects both alike. LitServe is not part of Assay: `pip install -e '.[bench]'`.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path

import numpy as np
import psutil
import requests

from backend.processes import free_port
from backend.supervisor import Supervisor
from bench.bulk_scan import make_images, web_server
from settings import Settings

WAIT = 20
"""Seconds for which Assay's API may wait for a verdict; the longest that it allows."""
REPEATED = 16
"""Number of different images in the row where they repeat."""

Judge = Callable[[requests.Session, int], None]
"""Has a server judge the image of this number."""


class Variants(Sequence[bytes]):
    """Any number of different JPEG files: each has its number as a comment.

    Args:
        files: the JPEGs, which are used in turn.
    """

    def __init__(self, files: Sequence[bytes]) -> None:
        self._files = files

    def __len__(self) -> int:
        return sys.maxsize

    def __getitem__(self, number: int) -> bytes:  # type: ignore[override]
        file = self._files[number % len(self._files)]
        comment = f"{number:016d}".encode()
        return file[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2) + comment + file[2:]


@dataclass(frozen=True)
class Row:
    """One load."""

    source: str
    """`URLs`, `bytes` or `URLs, repeated`."""
    clients: int


ROWS = (
    *(Row(source, clients) for source in ("URLs", "bytes") for clients in (1, 8, 64)),
    Row("URLs, repeated", 8),
)


@dataclass
class Result:
    """What one server did under one load."""

    latencies: list[float] = field(default_factory=list)
    """Of each image, in seconds."""
    seconds: float = 0.0
    """The length of its rounds."""

    @property
    def rate(self) -> float:
        """Images per second."""
        return len(self.latencies) / self.seconds

    def __str__(self) -> str:
        median, slow = 1000 * np.percentile(self.latencies, (50, 95))
        return f"{self.rate:.1f} images/s, p50 {median:.0f} ms, p95 {slow:.0f} ms"


class Assay:
    """Assay's API.

    Args:
        url: its base URL.
        site: the base URL of the images.
        files: their bytes.
    """

    def __init__(self, url: str, site: str, files: Sequence[bytes]) -> None:
        self._url, self._site, self._files = url, site, files

    def by_url(self, session: requests.Session, number: int) -> None:
        """Check an image by its URL."""
        body = {"urls": [f"{self._site}/{number}.jpg"], "wait": WAIT}
        self._await(session, session.post(f"{self._url}/v1/checks", json=body))

    def by_bytes(self, session: requests.Session, number: int) -> None:
        """Check an uploaded image."""
        files = {"image": self._files[number]}
        answer = session.post(f"{self._url}/v1/images", files=files, data={"wait": WAIT})
        self._await(session, answer)

    def _await(self, session: requests.Session, answer: requests.Response) -> None:
        while answer.status_code == requests.codes.accepted:
            check = f"{self._url}/v1/checks/{answer.json()['id']}"
            answer = session.get(check, params={"wait": WAIT})
        answer.raise_for_status()
        (item,) = answer.json()["items"]
        if "verdict" not in item:
            raise RuntimeError(f"no verdict: {item}")


class LitServe:
    """The same by LitServe, with the same arguments."""

    def __init__(self, url: str, site: str, files: Sequence[bytes]) -> None:
        self._url, self._site, self._files = url, site, files

    def by_url(self, session: requests.Session, number: int) -> None:
        """Judge an image by its URL."""
        body = {"url": f"{self._site}/{number}.jpg"}
        session.post(f"{self._url}/predict", json=body).raise_for_status()

    def by_bytes(self, session: requests.Session, number: int) -> None:
        """Judge an uploaded image."""
        files = {"image": self._files[number]}
        session.post(f"{self._url}/predict", files=files).raise_for_status()


@contextmanager
def litserve(workers: int, log: Path) -> Iterator[str]:
    """Serve the ensemble by LitServe."""
    port = free_port("127.0.0.1")
    command = [sys.executable, "-m", "bench.litserve_peer", str(port), str(workers)]
    url = f"http://127.0.0.1:{port}"
    with log.open("w") as output:
        process = psutil.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        while not _answers(f"{url}/health"):
            if process.poll() is not None:
                raise SystemExit(f"LitServe ended:\n{log.read_text()[-2000:]}")
            time.sleep(0.2)
        yield url
    finally:
        children = process.children(recursive=True)
        process.terminate()
        _, alive = psutil.wait_procs([process, *children], timeout=5)
        for each in alive:
            each.kill()


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False


def load(judge: Judge, numbers: Iterator[int], clients: int, seconds: float) -> Result:
    """Have images judged for some seconds. Those that were begun are waited for."""
    result = Result()
    failures: list[Exception] = []
    began = time.monotonic()

    def client() -> None:
        with requests.Session() as session:
            session.trust_env = False
            while time.monotonic() < began + seconds and not failures:
                started = time.perf_counter()
                try:
                    judge(session, next(numbers))
                except (requests.RequestException, RuntimeError) as error:
                    failures.append(error)
                    return
                result.latencies.append(time.perf_counter() - started)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise SystemExit(f"An image was not judged, so the result is invalid: {failures[0]}")
    result.seconds = time.monotonic() - began
    return result


def measure(servers: dict[str, Assay | LitServe], rounds: int, seconds: float) -> None:
    """Run all rows, and print one line per row and server."""
    unseen = itertools.count(10 * REPEATED)  # of which nothing is cached
    for row in ROWS:
        results = {name: Result() for name in servers}
        repeated = row.source == "URLs, repeated"
        for _, (name, server) in itertools.product(range(rounds), servers.items()):
            judge = server.by_bytes if row.source == "bytes" else server.by_url
            numbers = itertools.cycle(range(REPEATED)) if repeated else unseen
            done = load(judge, numbers, row.clients, seconds)
            results[name].latencies += done.latencies
            results[name].seconds += done.seconds
        for name, result in results.items():
            print(f"{row.source}, {row.clients} clients, {name}: {result}")
        assay, peer = results.values()
        print(f"  Assay / LitServe: {assay.rate / peer.rate:.2f} of the images/s", flush=True)


def main() -> None:
    """Start both servers and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of a round")
    options = parser.parse_args()
    workers = psutil.cpu_count() or 1
    files = Variants(make_images(40))
    with tempfile.TemporaryDirectory() as folder, web_server(files) as site:
        settings = Settings(
            data_dir=Path(folder),
            bind="127.0.0.1:0",
            fetch_allow_nets=(ip_network("127.0.0.0/8"),),
            worker_processes=workers,
        )
        with (
            Supervisor(settings) as stack,
            litserve(workers, Path(folder) / "litserve.log") as peer,
        ):
            servers = {
                "Assay": Assay(stack.url, site, files),
                "LitServe": LitServe(peer, site, files),
            }
            for server, number in itertools.product(servers.values(), range(REPEATED)):
                with requests.Session() as session:
                    server.by_url(session, number)  # warm, and cached for the last row
            measure(servers, options.rounds, options.seconds)


if __name__ == "__main__":
    main()
