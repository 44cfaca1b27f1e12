"""Compares cached lookups with a minimal server: `python -m bench.cached_lookups`.

Gunicorn serves both in the same way, from the same Valkey: Assay's `POST /v1/lookups`, and a bare
Flask view that parses the same JSON, does one MGET and returns the result. The rounds alternate, so
drift of the machine affects both alike.
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
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from redis import Redis

from backend.api_process import SERVE
from backend.processes import environment, free_port
from backend.supervisor import Supervisor
from models.manifest import load_manifest
from models.verdict import ImageFacts, Label, Verdict
from settings import Settings
from workers.storage.stores import Stores
from workers.storage.verdict_cache import CacheEntry

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


def fill(stores: Stores, redis: Redis, urls: list[str]) -> None:
    """Store verdicts for the URLs, for both servers."""
    now = datetime.now(UTC)
    for number, url in enumerate(urls):
        verdict = Verdict(
            label=Label.REAL,
            probability=0.1,
            members={"cnn": 0.1, "efficientnet": 0.12, "efficientnet_art": 0.2},
            image=ImageFacts(
                sha256=f"{number:064x}", width=800, height=600, format="jpeg", frames=1
            ),
            model_version=load_manifest().version,
            checked_at=now,
            expires_at=now + timedelta(days=30),
        )
        stores.cache.save_entry(url, CacheEntry(at=time.time(), verdict=verdict))
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


def load(port: int, urls: list[str], size: int, clients: int, seconds: float) -> list[float]:
    """Send lookups of `size` URLs from concurrent clients. Return each lookup's seconds."""
    times: list[float] = []
    end = time.monotonic() + seconds

    def client(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        start = number * size
        while time.monotonic() < end:
            start = (start + size) % (len(urls) - size)
            body = json.dumps({"urls": urls[start : start + size]})
            began = time.perf_counter()
            connection.request(
                "POST", "/v1/lookups", body, headers={"Content-Type": "application/json"}
            )
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
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    urls = [f"https://example.com/images/{number}.jpg" for number in range(2000)]
    times: dict[str, list[float]] = {"bare": [], "assay": []}
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), bind="127.0.0.1:0")
        with (
            Supervisor(settings) as stack,
            bare_server(stack.settings, Path(folder)) as bare_port,
            Redis.from_url(str(stack.settings.redis_url)) as redis,
        ):
            fill(Stores.open(stack.settings, load_manifest().version), redis, urls)
            ports = {"bare": bare_port, "assay": int(stack.url.rpartition(":")[2])}
            time.sleep(1)  # until the bare server listens
            for port in ports.values():
                load(port, urls, options.urls, options.clients, 1)
            seconds = 3.0
            for _ in range(options.rounds):
                for name, port in ports.items():
                    times[name] += load(port, urls, options.urls, options.clients, seconds)
    rates = {name: len(each) / (seconds * options.rounds) for name, each in times.items()}
    for name, each in times.items():
        quantiles = statistics.quantiles(each, n=100)
        print(
            f"{name}: {rates[name]:.0f} lookups/s of {options.urls} URLs, "
            f"p50 {1000 * quantiles[49]:.1f} ms, p99 {1000 * quantiles[98]:.1f} ms"
        )
    print(f"assay / bare: {rates['assay'] / rates['bare']:.2f}")


if __name__ == "__main__":
    main()
