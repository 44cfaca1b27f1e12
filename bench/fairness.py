"""What a scan does to people who wait, and slow hosts to a scan: `python -m bench.fairness`.

Interactive: one person checks images one after the other, on an idle stack and while a scan keeps
every shared process busy; the ratio of the medians, and of the 95th percentiles, says how much a
scan is felt. Hosts: a scan of one fast host's images, alone and with 200 URLs mixed in of two hosts
that send a byte a second and of one where nobody listens; the ratio of the times until the fast
host's images are all judged says how much others suffer. Rounds alternate, so that the machine's
drift meets both alike.
"""

from __future__ import annotations

import argparse
import multiprocessing
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from ipaddress import ip_network
from multiprocessing.queues import SimpleQueue
from pathlib import Path

import psutil
import requests
from redis import Redis

from backend.stack import Stack, free_port
from bench.scan import make_images, web_server
from settings import Settings

SLOW_HOSTS = ("127.0.0.2", "127.0.0.3")
PER_SLOW_HOST, OF_DEAD_HOST = 70, 60


@contextmanager
def slow_server(host: str) -> Iterator[str]:
    """Serve what looks like a JPEG at one byte a second, in a process of its own."""
    ready: SimpleQueue[int] = multiprocessing.SimpleQueue()
    process = multiprocessing.Process(target=_trickle, args=(host, ready), daemon=True)
    process.start()
    yield f"http://{host}:{ready.get()}"
    process.terminate()


def _trickle(host: str, ready: SimpleQueue[int]) -> None:
    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(2**16)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n\xff\xd8\xff")
            while True:
                time.sleep(1)
                connection.sendall(b"\0")

    with socket.create_server((host, 0), backlog=128) as server:
        ready.put(server.getsockname()[1])
        while True:
            threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()


class Bench:
    """One running stack, and what is asked of it."""

    def __init__(self, stack: Stack) -> None:
        self._url = stack.url
        self._redis = Redis.from_url(str(stack.settings.redis_url))
        self._http = requests.Session()

    def forget(self) -> None:
        """Make the stack forget all images and hosts, so that the same ones can be used again."""
        for pattern in ("address", "verdict", "host", "lanes", "flight"):
            if keys := self._redis.keys(f"assay:{pattern}*"):
                self._redis.delete(*keys)

    def checks(self, urls: Sequence[str]) -> list[float]:
        """Check one image after the other; returns each one's seconds."""
        times = []
        for url in urls:
            started = time.perf_counter()
            body = {"urls": [url], "wait": 20}
            answer = self._http.post(f"{self._url}/v1/checks", json=body, timeout=30).json()
            times.append(time.perf_counter() - started)
            if answer["items"][0]["status"] != "done":
                raise SystemExit(f"no verdict; this measures nothing: {answer}")
        return times

    def scan(self, urls: Sequence[str]) -> str:
        """Begin a scan; returns its URL."""
        body = {"urls": list(urls)}
        answer = self._http.post(f"{self._url}/v1/scans", json=body, timeout=60)
        answer.raise_for_status()
        return self._url + answer.headers["Location"]

    def wait_for(self, scan: str, done: int) -> None:
        """Wait until so many images of the scan have a verdict."""
        while (now := self.done(scan)) < done:
            time.sleep(0.1)
        if now > done:
            raise SystemExit(f"{now} verdicts instead of {done}")

    def done(self, scan: str) -> int:
        """Return how many images of the scan have a verdict."""
        return int(self._http.get(scan, timeout=30).json()["counts"]["done"])

    def cancel(self, scan: str) -> None:
        """Cancel a scan, and wait until nothing of it is under way."""
        self._http.delete(scan, timeout=60).raise_for_status()
        while self._http.get(scan, timeout=30).json()["counts"]["pending"]:
            time.sleep(0.1)


def measure_people(
    bench: Bench, of_person: Sequence[str], of_scan: Sequence[str], rounds: int
) -> None:
    """Print what a person waits on an idle stack, and beside a scan."""
    idle: list[float] = []
    beside: list[float] = []
    rates = []
    for _ in range(rounds):
        bench.forget()
        idle += bench.checks(of_person)
        bench.forget()
        scan = bench.scan(of_scan)
        while bench.done(scan) < 10:
            time.sleep(0.1)
        started, before = time.perf_counter(), bench.done(scan)
        beside += bench.checks(of_person)
        after = bench.done(scan)
        rates.append((after - before) / (time.perf_counter() - started))
        if after == len(of_scan):
            raise SystemExit("the scan ended before the checks; give more images")
        bench.cancel(scan)
    for name, times in (("idle", idle), ("beside a scan", beside)):
        print(f"a check, {name}: " + ", ".join(f"p{q} {_ms(times, q)} ms" for q in (50, 95)))
    ratios = [_quantile(beside, q) / _quantile(idle, q) for q in (50, 95)]
    print(f"beside a scan / idle: p50 {ratios[0]:.2f}, p95 {ratios[1]:.2f}")
    print(f"the scan beside them: {statistics.median(rates):.1f} images/s")


def measure_hosts(bench: Bench, fast: Sequence[str], rounds: int) -> None:
    """Print how long a scan of a fast host's images takes, alone and among slow hosts' ones."""
    seconds: dict[str, list[float]] = {"alone": [], "among slow hosts": []}
    with slow_server(SLOW_HOSTS[0]) as first, slow_server(SLOW_HOSTS[1]) as second:
        dead = f"http://127.0.0.5:{free_port('127.0.0.5')}"
        bad = [f"{host}/{n}.jpg" for n in range(PER_SLOW_HOST) for host in (first, second)]
        bad += [f"{dead}/{number}.jpg" for number in range(OF_DEAD_HOST)]
        for _ in range(rounds):
            for name, urls in (("alone", fast), ("among slow hosts", [*bad, *fast])):
                bench.forget()
                started = time.perf_counter()
                scan = bench.scan(urls)
                bench.wait_for(scan, len(fast))
                seconds[name].append(time.perf_counter() - started)
                bench.cancel(scan)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    for name, median in medians.items():
        print(f"{len(fast)} images of a fast host, {name}: {median:.1f} s")
    ratio = medians["among slow hosts"] / medians["alone"]
    print(f"among {len(bad)} URLs of slow hosts / alone: {ratio:.2f}")


def _quantile(times: Sequence[float], percent: int) -> float:
    return statistics.quantiles(times, n=100, method="inclusive")[percent - 1]


def _ms(times: Sequence[float], percent: int) -> str:
    return f"{1000 * _quantile(times, percent):.0f}"


def main() -> None:
    """Measure, and print one line a figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=400, help="of a scan")
    parser.add_argument("--checks", type=int, default=40, help="a round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", choices=["interactive", "hosts"])
    options = parser.parse_args()
    files = make_images(options.images + options.checks)
    with (
        tempfile.TemporaryDirectory() as folder,
        web_server(files) as of_scan,
        web_server(files) as of_person,  # another host, with places of its own
    ):
        settings = Settings(
            data_dir=Path(folder),
            bind="127.0.0.1:0",
            fetch_allow_nets=(ip_network("127.0.0.0/8"),),
            worker_processes=psutil.cpu_count() or 1,
        )
        scanned = [f"{of_scan}/{number}.jpg" for number in range(options.images)]
        checked = [f"{of_person}/{number}.jpg" for number in range(options.images, len(files))]
        with Stack(settings) as stack:
            bench = Bench(stack)
            if options.only != "hosts":
                measure_people(bench, checked, scanned, options.rounds)
            if options.only != "interactive":
                measure_hosts(bench, scanned, options.rounds)


if __name__ == "__main__":
    main()
