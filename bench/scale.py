"""Measures costs, tests the capacity model and plans for a large load: `python -m bench.scale`.

First it checks single images on a server on this machine, to measure the cost of a cache hit, of a
fetch and of a classification. Then it simulates users: checks at random times, with Zipf
popularity, of images from a web site on loopback. The lifetimes are so short that the caches reach
a steady state within minutes. The model of `bench.capacity` predicts the results. Predictions,
measurements and errors are printed. Last, the model gives the plan for a large demand. The output
is Markdown for docs/scale.md.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from ipaddress import ip_network
from pathlib import Path

import numpy as np
import psutil
import requests
from redis import Redis

from backend.supervisor import Supervisor
from bench.bulk_scan import make_images, web_server
from bench.capacity import (
    DAY,
    Costs,
    Demand,
    Policy,
    edge_hits,
    kept_within,
    needs,
    outcome,
    popularity,
    servers_for,
    waiting,
)
from settings import Settings

CALIBRATION = 60
"""Number of images that are checked one by one."""
POLICY = Policy(revalidate_after=20, verdict_ttl=60)
IN_USE = 0.6
"""Utilisation of cores, workers and memory in the busiest hour. The rest is a reserve."""
SHARD_MEMORY = 16 * 2**30
"""Bytes per Valkey. A larger one takes long to copy to its replica."""
COPIES = 2
"""Copies of the data: a master and a replica."""
MAX_WAIT = 0.2
"""Largest mean time in seconds that a job waits for a worker, in the busiest hour."""
PRODUCTION = Policy(revalidate_after=DAY, verdict_ttl=30 * DAY)
FRESH_FOR, DIGITS = 300, 5
"""Cache lifetime in seconds, and hex digits, of prefix lookups in the API."""


@dataclass(frozen=True)
class Check:
    """One check, as seen by its client."""

    image: int
    seconds: float
    cached: bool


@dataclass(frozen=True)
class Used:
    """Resources used so far: core seconds and bytes."""

    api: float
    worker: float
    store: float
    memory: float

    def __sub__(self, before: Used) -> Used:
        return Used(
            self.api - before.api,
            self.worker - before.worker,
            self.store - before.store,
            self.memory - before.memory,
        )


class Simulation:
    """Simulated users of a server, with the images of a site."""

    def __init__(self, stack: Supervisor, site: str) -> None:
        self._stack = stack
        self._site = site
        self._sessions = threading.local()
        self.redis = Redis.from_url(str(stack.settings.redis_url))

    def check(self, image: int) -> Check:
        """Check an image and wait for the answer."""
        if not hasattr(self._sessions, "session"):
            self._sessions.session = requests.Session()
        body = {"urls": [f"{self._site}/{image}.jpg"], "wait": 20}
        began = time.perf_counter()
        url = f"{self._stack.url}/v1/checks"
        answer = self._sessions.session.post(url, json=body, timeout=60).json()
        while answer["status"] != "done":
            url = f"{self._stack.url}/v1/checks/{answer['id']}?wait=20"
            answer = self._sessions.session.get(url, timeout=60).json()
        (item,) = answer["items"]
        if "verdict" not in item:
            raise SystemExit(f"no verdict, so the result is invalid: {item}")
        return Check(image, time.perf_counter() - began, item["verdict"]["cached"])

    def used(self) -> Used:
        """Return the resources used so far."""
        seconds: Counter[str] = Counter()
        for part in self._stack.processes:
            process = psutil.Process(part.process.pid)
            for each in (process, *process.children(recursive=True)):
                times = each.cpu_times()
                seconds[part.name.partition("-")[0]] += times.user + times.system
        return Used(seconds["api"], seconds["worker"], seconds["valkey"], self._memory())

    def _memory(self) -> float:
        """Return the bytes of the cached images, without data about clients."""
        kinds = ("address", "verdict", "prefix")
        keys = [key for kind in kinds for key in self.redis.scan_iter(f"assay:{kind}:*")]
        return float(sum(self.redis.memory_usage(key, samples=0) or 0 for key in keys))

    def one_by_one(self, images: Sequence[int]) -> tuple[Used, float]:
        """Check the images. Return the resources per image, beyond idle use, and the seconds."""
        idle_from = self.used()
        time.sleep(5)
        idle = self.used() - idle_from
        before, began = self.used(), time.perf_counter()
        checks = [self.check(image) for image in images]
        scale = (time.perf_counter() - began) / 5  # relative to the measured idle time
        used = self.used() - before
        each = Used(
            *(
                max(0.0, (getattr(used, name) - scale * getattr(idle, name)) / len(images))
                for name in ("api", "worker", "store", "memory")
            )
        )
        return each, statistics.mean(check.seconds for check in checks)

    def people(self, demand: Demand, seconds: float) -> list[Check]:
        """Check images at random times, according to the demand, for some seconds."""
        _, rates = popularity(demand)
        random = np.random.default_rng(7)
        chances = rates / rates.sum()
        asked = []
        with ThreadPoolExecutor(64) as pool:
            next_at, end = time.monotonic(), time.monotonic() + seconds
            while (next_at := next_at + random.exponential(1 / demand.rate)) < end:
                time.sleep(max(0.0, next_at - time.monotonic()))
                image = int(random.choice(demand.images, p=chances))
                asked.append(pool.submit(self.check, image))
            return [each.result() for each in asked]


@contextmanager
def simulation(images: int) -> Iterator[Simulation]:
    """Run the server, with short lifetimes, and a site with this number of images."""
    with tempfile.TemporaryDirectory() as folder, web_server(make_images(images)) as site:
        settings = Settings(
            data_dir=Path(folder),
            bind="127.0.0.1:0",
            fetch_allow_nets=(ip_network("127.0.0.0/8"),),
            revalidate_after=int(POLICY.revalidate_after),
            verdict_ttl=int(POLICY.verdict_ttl),
        )
        with Supervisor(settings) as stack:
            yield Simulation(stack, site)


@dataclass(frozen=True)
class Calibration:
    """Cost and duration of one check."""

    costs: Costs
    hit: float
    """Seconds until the answer of a cache hit, on an idle server."""
    fetched: float
    classified: float


def calibrate(stack: Simulation, first: int) -> Calibration:
    """Measure checks of new, cached and stale images, starting with the image `first`."""
    images = range(first, first + CALIBRATION)
    for image in range(first + CALIBRATION, first + CALIBRATION + 10):
        stack.check(image)  # warm-up
    new, classified = stack.one_by_one(images[: CALIBRATION // 2])
    # Few enough that the first one is still fresh at the end.
    known, hit = stack.one_by_one([images[CALIBRATION // 2 - 1]] * CALIBRATION)
    time.sleep(POLICY.revalidate_after)
    again, fetched = stack.one_by_one(images[: CALIBRATION // 2])
    costs = Costs(
        api_hit=known.api,
        api_miss=new.api,
        fetch=again.worker,
        classify=max(0.0, new.worker - again.worker),
        store_hit=known.store,
        store_miss=new.store,
        bytes_known=new.memory,
    )
    return Calibration(costs, hit, fetched, classified)


def compare(
    stack: Simulation, demand: Demand, calibration: Calibration, seconds: float
) -> list[str]:
    """Simulate users. Return rows with predictions and measurements."""
    costs = calibration.costs
    workers = len(stack._stack.worker_processes())
    result = outcome(demand, POLICY)
    # The mean service time of a miss, on an idle server.
    fraction = result.classified / result.fetched
    service = calibration.fetched + fraction * (calibration.classified - calibration.fetched)
    queued = waiting(demand.rate * result.fetched, service, workers)
    stack.people(demand, 1.5 * POLICY.verdict_ttl)  # until the caches are warm
    before, began = stack.used(), time.monotonic()
    checks = stack.people(demand, seconds)
    took, used = time.monotonic() - began, stack.used() - before
    missed = [check.seconds for check in checks if not check.cached]
    hits = [check.seconds for check in checks if check.cached]
    worker = result.fetched * costs.fetch + result.classified * costs.classify
    api = result.hits * costs.api_hit + result.fetched * costs.api_miss
    store = result.hits * costs.store_hit + result.fetched * costs.store_miss
    rows = [
        ("checks per second", demand.rate, len(checks) / took, "{:.2f}"),
        ("cache hit rate", result.hits, len(hits) / len(checks), "{:.3f}"),
        ("worker seconds per check", worker, used.worker / len(checks), "{:.4f}"),
        ("API seconds per check", api, used.api / len(checks), "{:.4f}"),
        ("Valkey seconds per check", store, used.store / len(checks), "{:.5f}"),
        ("mean time of a cache hit, s", calibration.hit, statistics.mean(hits), "{:.3f}"),
        ("mean time of a cache miss, s", service + queued, statistics.mean(missed), "{:.3f}"),
    ]
    return [
        f"| {name} | {form.format(predicted)} | {form.format(measured)} "
        f"| {(predicted - measured) / measured:+.0%} |"
        for name, predicted, measured, form in rows
    ]


def plan(demand: Demand, policy: Policy, costs: Costs, options: argparse.Namespace) -> str:
    """Return the resources for a demand as the cells of a row."""
    result = outcome(demand, policy)
    load = needs(demand, result, costs)
    jobs = demand.rate * demand.peak * result.fetched
    workers = max(
        servers_for(jobs, load.worker_cores / jobs, MAX_WAIT),
        math.ceil(load.worker_cores / IN_USE),
    )
    memory = load.memory / IN_USE
    shards = math.ceil(max(memory / SHARD_MEMORY, load.store_cores / IN_USE))
    cores = workers + load.api_cores / IN_USE + COPIES * shards
    memory_price = COPIES * memory / 2**30 * options.gib_hour
    price = 24 * (cores * options.core_hour + memory_price)
    cells = (
        f"{result.hits:.0%}",
        f"{result.classified:.1%}",
        f"{workers}",
        f"{load.api_cores / IN_USE:.0f}",
        f"{memory / 2**30:,.0f}",
        f"{shards}",
        f"{cores:.0f}",
        f"{price:,.0f}",
        f"{1e6 * price / (demand.rate * DAY):.2f}",
    )
    return " | ".join(cells) + " |"


PLAN = (
    "cache hits | classified | worker cores | API cores | Valkey GiB | shards "
    "| cores in total | price per day | per 10⁶ checks |\n" + 10 * "|---" + "|"
)


def edges(base: Demand) -> list[str]:
    """Return rows with the hit rates of edge caches for prefix lookups."""
    return [
        f"| {digits} | {16**digits:,} | "
        + " | ".join(
            f"{edge_hits(base, digits, age, 20):.0%}" for age in (60, FRESH_FOR, 3600, DAY)
        )
        + " |"
        for digits in (4, DIGITS, 6)
    ]


def main() -> None:
    """Measure, compare, plan and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=2.0, help="simulated checks per second")
    parser.add_argument("--seconds", type=float, default=240, help="length of the simulation")
    parser.add_argument("--images", type=int, default=150, help="simulated images")
    parser.add_argument("--a-day", type=float, default=1e8, help="planned checks per day")
    parser.add_argument("--web", type=float, default=1e9, help="planned number of images")
    parser.add_argument("--peak", type=float, default=2.0, help="busiest hour / average")
    parser.add_argument("--core-hour", type=float, default=0.04, help="price of a core for an hour")
    parser.add_argument("--gib-hour", type=float, default=0.005, help="price of a GiB for an hour")
    options = parser.parse_args()
    demand = Demand(options.rate, options.images, exponent=0.9)
    load = psutil.getloadavg()[0]
    with simulation(options.images + CALIBRATION + 10) as stack:
        calibration = calibrate(stack, options.images)
        compared = compare(stack, demand, calibration, options.seconds)
    costs = calibration.costs
    print(f"{psutil.cpu_count()} cores. Load before the start: {load:.1f}.\n")
    print("| one check | |\n|---|---|")
    print(f"| API, cache hit | {1000 * costs.api_hit:.1f} ms of a core |")
    print(f"| API, miss with a waiting client | {1000 * costs.api_miss:.1f} ms of a core |")
    print(f"| worker, fetch only | {1000 * costs.fetch:.1f} ms of a core |")
    print(
        f"| worker, fetch and classification | "
        f"{1000 * (costs.fetch + costs.classify):.1f} ms of a core |"
    )
    print(f"| Valkey, cache hit | {1e6 * costs.store_hit:.0f} µs of a core |")
    print(f"| Valkey, miss | {1e6 * costs.store_miss:.0f} µs of a core |")
    print(f"| Valkey, cached image | {costs.bytes_known:.0f} bytes |\n")
    print(f"| {options.seconds:.0f} s | predicted | measured | error |\n|---|---|---|---|")
    print("\n".join(compared))
    base = Demand(options.a_day / DAY, int(options.web), exponent=0.9, peak=options.peak)
    print(
        f"\n{options.a_day:.0e} checks per day ({base.rate:.0f} per second, {base.peak:.1f} times "
        f"as many in the busiest hour) of {options.web:.0e} images. A core costs "
        f"{options.core_hour} per hour, a GiB {options.gib_hour}.\n"
    )
    print(f"| Zipf exponent | {PLAN}")
    for exponent in (0.7, 0.9, 1.1):
        demand = replace(base, exponent=exponent)
        print(f"| {exponent} | {plan(demand, PRODUCTION, costs, options)}")
    print(f"\n| exponent {base.exponent}, memory | {PLAN}")
    known = outcome(base, PRODUCTION).known
    for fraction in (1, 1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32):
        policy = kept_within(base, PRODUCTION, fraction * known)
        print(f"| {fraction:.0%} of it | {plan(base, policy, costs, options)}")
    print("\n| digits | prefixes | 60 s | 300 s | 1 h | 1 day |\n|---|---|---|---|---|---|")
    print("\n".join(edges(base)))


if __name__ == "__main__":
    main()
