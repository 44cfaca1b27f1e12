"""Measures how scans slow interactive checks, and slow hosts a scan: `python -m bench.fairness`.

Interactive: one client checks images one after the other, on an idle server and during a scan that
keeps every shared process busy. The results are the ratios of the medians and of the 95th
percentiles. Hosts: a scan of one fast host's images, alone and mixed with 200 URLs of two hosts
that send one byte per second and of a dead host. The result is the ratio of the times until all
images of the fast host are done. Rounds alternate, so drift of the machine affects both alike.
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

from backend.processes import free_port
from backend.supervisor import Supervisor
from bench.bulk_scan import make_images, web_server
from settings import Settings

SLOW_HOSTS = ("127.0.0.2", "127.0.0.3")
PER_SLOW_HOST, OF_DEAD_HOST = 70, 60


@contextmanager
def slow_server(host: str) -> Iterator[str]:
    """Serve the start of a JPEG at one byte per second, in a separate process."""
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
    """A client of one running server."""

    def __init__(self, stack: Supervisor) -> None:
        self._url = stack.url
        self._redis = Redis.from_url(str(stack.settings.redis_url))
        self._http = requests.Session()

    def forget(self) -> None:
        """Delete all cached images and hosts, so the same ones can be used again."""
        for pattern in ("address", "verdict", "host", "claim"):
            if keys := self._redis.keys(f"assay:{pattern}*"):
                self._redis.delete(*keys)

    def checks(self, urls: Sequence[str]) -> list[float]:
        """Check one image after the other. Return each check's seconds."""
        times = []
        for url in urls:
            started = time.perf_counter()
            body = {"urls": [url], "wait": 20}
            answer = self._http.post(f"{self._url}/v1/checks", json=body, timeout=30).json()
            times.append(time.perf_counter() - started)
            if answer["items"][0]["status"] != "done":
                raise SystemExit(f"no verdict, so the result is invalid: {answer}")
        return times

    def scan(self, urls: Sequence[str]) -> str:
        """Start a scan. Return its URL."""
        body = {"urls": list(urls)}
        answer = self._http.post(f"{self._url}/v1/scans", json=body, timeout=60)
        answer.raise_for_status()
        return self._url + answer.headers["Location"]

    def wait_for(self, scan: str, done: int) -> None:
        """Wait until `done` images of the scan have a verdict."""
        while (now := self.done(scan)) < done:
            time.sleep(0.1)
        if now > done:
            raise SystemExit(f"{now} verdicts instead of {done}")

    def done(self, scan: str) -> int:
        """Return the number of images with a verdict."""
        return int(self._http.get(scan, timeout=30).json()["counts"]["done"])

    def cancel(self, scan: str) -> None:
        """Cancel a scan, and wait until none of its URLs is pending."""
        self._http.delete(scan, timeout=60).raise_for_status()
        while self._http.get(scan, timeout=30).json()["counts"]["pending"]:
            time.sleep(0.1)


def measure_people(
    bench: Bench, of_person: Sequence[str], of_scan: Sequence[str], rounds: int
) -> None:
    """Print the time of a check on an idle server, and during a scan."""
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
            raise SystemExit("the scan ended before the checks; use more --images")
        bench.cancel(scan)
    for name, times in (("idle", idle), ("beside a scan", beside)):
        print(f"a check, {name}: " + ", ".join(f"p{q} {_ms(times, q)} ms" for q in (50, 95)))
    ratios = [_quantile(beside, q) / _quantile(idle, q) for q in (50, 95)]
    print(f"beside a scan / idle: p50 {ratios[0]:.2f}, p95 {ratios[1]:.2f}")
    print(f"the scan beside them: {statistics.median(rates):.1f} images/s")


def measure_hosts(bench: Bench, fast: Sequence[str], rounds: int) -> None:
    """Print the time of a scan of a fast host's images, alone and mixed with slow hosts."""
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
    """Measure, and print one line per result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=400, help="images per scan")
    parser.add_argument("--checks", type=int, default=40, help="checks per round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", choices=["interactive", "hosts"])
    options = parser.parse_args()
    files = make_images(options.images + options.checks)
    with (
        tempfile.TemporaryDirectory() as folder,
        web_server(files) as of_scan,
        web_server(files) as of_person,  # another host, with its own limits
    ):
        settings = Settings(
            data_dir=Path(folder),
            bind="127.0.0.1:0",
            fetch_allow_nets=(ip_network("127.0.0.0/8"),),
            worker_processes=psutil.cpu_count() or 1,
        )
        scanned = [f"{of_scan}/{number}.jpg" for number in range(options.images)]
        checked = [f"{of_person}/{number}.jpg" for number in range(options.images, len(files))]
        with Supervisor(settings) as stack:
            bench = Bench(stack)
            if options.only != "hosts":
                measure_people(bench, checked, scanned, options.rounds)
            if options.only != "interactive":
                measure_hosts(bench, scanned, options.rounds)


if __name__ == "__main__":
    main()
