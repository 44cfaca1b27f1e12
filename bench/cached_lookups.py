"""Compares cached lookups with a minimal server: `python -m bench.cached_lookups`.

Gunicorn serves both in the same way, from the same Valkey: Assay's lookups as in production, with
an API key, its quotas, logs and metrics; and a bare Flask view that parses the same JSON, does one
MGET and returns the result. With ``--prefix``, Assay's lookups are those by prefix, and the bare
view is asked for one URL. The rounds are short and alternate, and the ratio is the median of the
rounds, so that a busy machine affects both alike.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from redis import Redis

from backend.api_keys import KeyStore
from backend.api_process import SERVE
from backend.processes import environment, free_port
from backend.supervisor import Supervisor
from models.manifest import load_manifest
from models.verdict import ImageFacts, Label, Verdict
from settings import Settings
from workers.fetching.urls import SHORTEST_PREFIX, address_hash
from workers.storage.stores import Stores
from workers.storage.verdict_cache import CacheEntry

BARE_URLS = 2000
"""URLs that the bare server knows."""
BARE = """
import os
from flask import Flask, request
from redis import Redis

app = Flask("bare")
redis = Redis.from_url(os.environ["ASSAY_REDIS_URL"])

@app.post("/v1/lookups")
def lookup():
    found = redis.mget(request.get_json()["urls"])
    return b"[" + b",".join(raw or b"null" for raw in found) + b"]"
"""


def fill(stores: Stores, redis: Redis, urls: Sequence[str]) -> None:
    """Store verdicts for the URLs, for both servers."""
    now = datetime.now(UTC)
    for number, url in enumerate(urls):
        verdict = Verdict(
            label=Label.REAL,
            probability=0.1,
            members={"cnn": 0.1, "efficientnet": 0.12, "efficientnet_art": 0.2},
            image=ImageFacts(
                sha256=f"{number % 2000:064x}", width=800, height=600, format="jpeg", frames=1
            ),
            model_version=stores.model_version,
            checked_at=now,
            expires_at=now + timedelta(days=30),
        )
        stores.cache.save_entry(url, CacheEntry(at=time.time(), verdict=verdict))
        if number < BARE_URLS:
            redis.set(url, verdict.model_dump_json())


@contextmanager
def bare_server(settings: Settings, folder: Path) -> Iterator[int]:
    """Serve the bare view in the same way as the API."""
    (folder / "bare.py").write_text(BARE)
    port = free_port("127.0.0.1")
    command = [*SERVE, "--bind", f"127.0.0.1:{port}", "bare:app"]
    with subprocess.Popen(  # noqa: S603
        command, cwd=folder, env=environment(settings)
    ) as process:
        yield port
        process.terminate()


Requests = Callable[[int], tuple[str, str, str | None]]
"""Returns the method, path and body of a request by its number."""


def lists(urls: Sequence[str], size: int) -> Requests:
    """Return lookups of `size` URLs each."""

    def request(number: int) -> tuple[str, str, str]:
        start = number * size % (len(urls) - size)
        return "POST", "/v1/lookups", json.dumps({"urls": urls[start : start + size]})

    return request


def prefixes(urls: Sequence[str]) -> Requests:
    """Return lookups by prefix, each of a URL that is known."""

    def request(number: int) -> tuple[str, str, None]:
        digest = address_hash(urls[number * 7919 % len(urls)])
        return "GET", f"/v1/lookups/{digest[:SHORTEST_PREFIX]}", None

    return request


def load(port: int, requests: Requests, key: str, clients: int, seconds: float) -> list[float]:
    """Send requests from concurrent clients. Return each one's seconds."""
    times: list[float] = []
    end = time.monotonic() + seconds
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}

    def client(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        number *= 1000
        while time.monotonic() < end:
            method, path, body = requests(number)
            number += 1
            began = time.perf_counter()
            connection.request(method, path, body, headers=headers)
            answer = connection.getresponse()
            answer.read()
            times.append(time.perf_counter() - began)
            if answer.status != http.client.OK:
                raise SystemExit(f"status {answer.status}, so the result is invalid")
        connection.close()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times


def main() -> None:
    """Measure, and print one line per result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--urls", type=int, default=1, help="URLs per lookup")
    parser.add_argument("--prefix", action="store_true", help="look up by prefix")
    parser.add_argument("--known", type=int, default=BARE_URLS, help="URLs with a verdict")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=12, help="of a second for each server")
    options = parser.parse_args()
    urls = [f"https://example.com/images/{number}.jpg" for number in range(options.known)]
    asked = lists(urls[:BARE_URLS], options.urls)
    requests = {"bare": asked, "assay": prefixes(urls) if options.prefix else asked}
    times: dict[str, list[list[float]]] = {"bare": [], "assay": []}
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), bind="127.0.0.1:0", redis_memory="6gb")
        with (
            Supervisor(settings) as stack,
            bare_server(stack.settings, Path(folder)) as bare_port,
            Redis.from_url(str(stack.settings.redis_url)) as redis,
        ):
            version = load_manifest().version_for(settings.second_look)
            fill(Stores.open(stack.settings, version), redis, urls)
            _, key = KeyStore(redis).create("bench", per_minute=10**9, per_day=10**9)
            ports = {"bare": bare_port, "assay": int(stack.url.rpartition(":")[2])}
            time.sleep(1)  # until the bare server listens
            for round_ in range(options.rounds + 1):
                for name, port in ports.items():
                    measured = load(port, requests[name], key, options.clients, 1.0)
                    if round_ > 0:  # the first warms up
                        times[name].append(measured)
    for name, rounds in times.items():
        rate = statistics.median(map(len, rounds))
        quantiles = statistics.quantiles([each for one in rounds for each in one], n=100)
        print(
            f"{name}: {rate:.0f} lookups/s, "
            f"p50 {1000 * quantiles[49]:.1f} ms, p99 {1000 * quantiles[98]:.1f} ms"
        )
    ratios = [len(a) / len(b) for a, b in zip(times["assay"], times["bare"], strict=True)]
    low, median, high = statistics.quantiles(ratios, n=4)
    print(f"assay / bare: {median:.2f} (quartiles {low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main()
