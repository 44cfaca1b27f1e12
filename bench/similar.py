"""Measures the search for similar images: `python -m bench.similar`.

It fills an embedded Valkey with the perceptual hashes of a million images, of random bits. Then it
compares new images with them, as a worker does for each image, and prints the time as a multiple of
a GET, which is one round trip to the same Valkey. It also prints the memory per image.
"""

from __future__ import annotations

import argparse
import secrets
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from redis import Redis

from backend.embedded_valkey import start_valkey, wait_for_valkey
from backend.processes import end_processes
from models.verdict import ImageFacts, Label, Verdict
from settings import Settings
from workers.storage.stores import Stores

AT_ONCE = 1_000
"""Images that are added in one round trip."""

ROUNDS = 300


def fill(stores: Stores, images: int) -> None:
    """Add images to the index."""
    for start in range(0, images, AT_ONCE):
        with stores.redis.pipeline(transaction=False) as pipe:
            for _ in range(min(AT_ONCE, images - start)):
                stores.similar.add(pipe, secrets.randbits(64), secrets.token_hex(32))
            pipe.execute()


def new_verdict() -> Verdict:
    """Return the verdict of an image that looks like no other."""
    image = ImageFacts(
        sha256=secrets.token_hex(32),
        width=640,
        height=480,
        format="jpeg",
        frames=1,
        perceptual_hash=secrets.token_hex(8),
    )
    now = datetime.now(UTC)
    return Verdict(
        label=Label.REAL,
        probability=0.1,
        members={},
        image=image,
        model_version="bench",
        checked_at=now,
        expires_at=now,
    )


def measure(stores: Stores) -> tuple[float, float]:
    """Return the median seconds of a save, which compares, and of a GET. They take turns."""
    compared, got = [], []
    for _ in range(ROUNDS):
        verdict = new_verdict()
        started = time.perf_counter()
        stores.similar.save(verdict)
        compared.append(time.perf_counter() - started)
        started = time.perf_counter()
        stores.cache.verdict(verdict.image.sha256)
        got.append(time.perf_counter() - started)
    return statistics.median(compared), statistics.median(got)


def main() -> None:
    """Parse the command line, fill the index, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1_000_000)
    images = parser.parse_args().images
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder))
        server, url = start_valkey(settings)
        try:
            wait_for_valkey(server, url)
            with Redis.from_url(url) as redis:
                stores = Stores(redis, settings, "bench")
                before = redis.info("memory")["used_memory"]
                fill(stores, images)
                memory = (redis.info("memory")["used_memory"] - before) / images
                compared, got = measure(stores)
        finally:
            end_processes(server.process)
    print(f"{images:,} images, {memory:.0f} bytes each")
    print(f"comparison {1e3 * compared:.2f} ms, GET {1e3 * got:.2f} ms, {compared / got:.1f} times")


if __name__ == "__main__":
    main()
