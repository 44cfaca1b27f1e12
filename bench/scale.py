"""What Assay needs for many users: `python -m bench.scale` measures, predicts, compares and plans.

First the whole stack on this machine is asked for some images one by one: what a check costs that
the cache answers, one that fetches, and one that judges. Then people are played: checks at random
times, of images that are popular by Zipf's law, from a web site on loopback, with lifetimes so
short that all of it happens within minutes. The model of `bench.capacity` says beforehand what will
come of it; both are printed with the error. Last, the same model makes the plan for a large demand.
Prints Markdown, for docs/scale.md.
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

from backend.stack import Stack
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
from bench.scan import make_images, web_server
from settings import Settings

CALIBRATION = 60
"""Images that are asked for one by one."""
POLICY = Policy(revalidate_after=20, verdict_ttl=60)
IN_USE = 0.6
"""Of a core, a worker or a store's memory, in the busiest hour; the rest is for what goes wrong."""
SHARD_MEMORY = 16 * 2**30
"""Bytes that one Valkey holds; a larger one takes long to copy to its replica."""
COPIES = 2
"""Of all that Valkey holds: a master and a replica."""
PATIENCE = 0.2
"""Seconds that a job may wait for a worker on average, in the busiest hour."""
PRODUCTION = Policy(revalidate_after=DAY, verdict_ttl=30 * DAY)
FRESH_FOR, DIGITS = 300, 5
"""Seconds and hex digits of lookups by prefix, as the API has them."""


@dataclass(frozen=True)
class Check:
    """One check, as its client saw it."""

    image: int
    seconds: float
    cached: bool


@dataclass(frozen=True)
class Used:
    """What the parts had used until some moment: seconds of a core, and bytes."""

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


class Played:
    """The stack, asked for images of a site."""

    def __init__(self, stack: Stack, site: str) -> None:
        self._stack = stack
        self._site = site
        self._sessions = threading.local()
        self.redis = Redis.from_url(str(stack.settings.redis_url))

    def check(self, image: int) -> Check:
        """Ask for an image and wait for the answer."""
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
            raise SystemExit(f"no verdict, so this measures nothing: {item}")
        return Check(image, time.perf_counter() - began, item["verdict"]["cached"])

    def used(self) -> Used:
        """Return what has been used until now."""
        seconds: Counter[str] = Counter()
        for part in self._stack._parts:
            process = psutil.Process(part.process.pid)
            for each in (process, *process.children(recursive=True)):
                times = each.cpu_times()
                seconds[part.name.partition("-")[0]] += times.user + times.system
        return Used(seconds["api"], seconds["worker"], seconds["valkey"], self._memory())

    def _memory(self) -> float:
        """Return the bytes of what is kept for the sake of images, and not of who asked."""
        kinds = ("address", "verdict", "prefix")
        keys = [key for kind in kinds for key in self.redis.scan_iter(f"assay:{kind}:*")]
        return float(sum(self.redis.memory_usage(key, samples=0) or 0 for key in keys))

    def one_by_one(self, images: Sequence[int]) -> tuple[Used, float]:
        """Check the images; return what one used, beyond what idling uses, and its seconds."""
        idle_from = self.used()
        time.sleep(5)
        idle = self.used() - idle_from
        before, began = self.used(), time.perf_counter()
        checks = [self.check(image) for image in images]
        share = (time.perf_counter() - began) / 5  # of the idling that was measured
        used = self.used() - before
        each = Used(
            *(
                max(0.0, (getattr(used, name) - share * getattr(idle, name)) / len(images))
                for name in ("api", "worker", "store", "memory")
            )
        )
        return each, statistics.mean(check.seconds for check in checks)

    def people(self, demand: Demand, seconds: float) -> list[Check]:
        """Check images at random times for so long, as the demand has them."""
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
def played(images: int) -> Iterator[Played]:
    """Run the stack, with lifetimes of seconds, and a site with so many images."""
    with tempfile.TemporaryDirectory() as folder, web_server(make_images(images)) as site:
        settings = Settings(
            data_dir=Path(folder),
            bind="127.0.0.1:0",
            fetch_allow_nets=(ip_network("127.0.0.0/8"),),
            revalidate_after=int(POLICY.revalidate_after),
            verdict_ttl=int(POLICY.verdict_ttl),
        )
        with Stack(settings) as stack:
            yield Played(stack, site)


@dataclass(frozen=True)
class Calibration:
    """What one check costs and takes."""

    costs: Costs
    hit: float
    """Seconds until the answer, with nobody else there: known and fresh."""
    fetched: float
    judged: float


def calibrate(stack: Played, first: int) -> Calibration:
    """Measure checks of images from this one on: new, known, and known but no longer fresh."""
    images = range(first, first + CALIBRATION)
    for image in range(first + CALIBRATION, first + CALIBRATION + 10):
        stack.check(image)  # what is loaded late is loaded now
    new, judged = stack.one_by_one(images[: CALIBRATION // 2])
    # No more at once than are checked before the first one ages.
    known, hit = stack.one_by_one([images[CALIBRATION // 2 - 1]] * CALIBRATION)
    time.sleep(POLICY.revalidate_after)
    again, fetched = stack.one_by_one(images[: CALIBRATION // 2])
    costs = Costs(
        api_hit=known.api,
        api_miss=new.api,
        fetch=again.worker,
        judge=max(0.0, new.worker - again.worker),
        store_hit=known.store,
        store_miss=new.store,
        bytes_known=new.memory,
    )
    return Calibration(costs, hit, fetched, judged)


def compare(stack: Played, demand: Demand, calibration: Calibration, seconds: float) -> list[str]:
    """Play people, and return rows of what was predicted and what came."""
    costs = calibration.costs
    workers = len(stack._stack.worker_processes())
    result = outcome(demand, POLICY)
    # Shares of those that miss, and what such a job takes when nobody else is there.
    judged_of_missed = result.judged / result.fetched
    service = calibration.fetched + judged_of_missed * (calibration.judged - calibration.fetched)
    queued = waiting(demand.rate * result.fetched, service, workers)
    stack.people(demand, 1.5 * POLICY.verdict_ttl)  # until the caches are warm
    before, began = stack.used(), time.monotonic()
    checks = stack.people(demand, seconds)
    took, used = time.monotonic() - began, stack.used() - before
    missed = [check.seconds for check in checks if not check.cached]
    hits = [check.seconds for check in checks if check.cached]
    worker = result.fetched * costs.fetch + result.judged * costs.judge
    api = result.hits * costs.api_hit + result.fetched * costs.api_miss
    store = result.hits * costs.store_hit + result.fetched * costs.store_miss
    rows = [
        ("checks a second", demand.rate, len(checks) / took, "{:.2f}"),
        ("answered by the cache", result.hits, len(hits) / len(checks), "{:.3f}"),
        ("worker seconds a check", worker, used.worker / len(checks), "{:.4f}"),
        ("API seconds a check", api, used.api / len(checks), "{:.4f}"),
        ("Valkey seconds a check", store, used.store / len(checks), "{:.5f}"),
        ("mean answer from the cache, s", calibration.hit, statistics.mean(hits), "{:.3f}"),
        ("mean answer after a fetch, s", service + queued, statistics.mean(missed), "{:.3f}"),
    ]
    return [
        f"| {name} | {form.format(said)} | {form.format(came)} | {(said - came) / came:+.0%} |"
        for name, said, came, form in rows
    ]


def plan(demand: Demand, policy: Policy, costs: Costs, options: argparse.Namespace) -> str:
    """Return, as the cells of a row, what a demand needs."""
    result = outcome(demand, policy)
    load = needs(demand, result, costs)
    jobs = demand.rate * demand.peak * result.fetched
    workers = max(
        servers_for(jobs, load.worker_cores / jobs, PATIENCE),
        math.ceil(load.worker_cores / IN_USE),
    )
    memory = load.memory / IN_USE
    shards = math.ceil(max(memory / SHARD_MEMORY, load.store_cores / IN_USE))
    cores = workers + load.api_cores / IN_USE + COPIES * shards
    memory_price = COPIES * memory / 2**30 * options.gib_hour
    price = 24 * (cores * options.core_hour + memory_price)
    cells = (
        f"{result.hits:.0%}",
        f"{result.judged:.1%}",
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
    "from the cache | judged | worker cores | API cores | Valkey GiB | shards "
    "| cores in all | price a day | of 10⁶ checks |\n" + 10 * "|---" + "|"
)


def edges(base: Demand) -> list[str]:
    """Return rows of what caches in front of the API answer of lookups by prefix."""
    return [
        f"| {digits} | {16**digits:,} | "
        + " | ".join(
            f"{edge_hits(base, digits, age, 20):.0%}" for age in (60, FRESH_FOR, 3600, DAY)
        )
        + " |"
        for digits in (4, DIGITS, 6)
    ]


def main() -> None:
    """Measure, compare, plan, and print it all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=2.0, help="checks a second that are played")
    parser.add_argument("--seconds", type=float, default=240, help="for how long")
    parser.add_argument("--images", type=int, default=150, help="different ones that are played")
    parser.add_argument("--a-day", type=float, default=1e8, help="checks a day to plan for")
    parser.add_argument("--web", type=float, default=1e9, help="different images they are of")
    parser.add_argument("--peak", type=float, default=2.0, help="busiest hour over the average")
    parser.add_argument("--core-hour", type=float, default=0.04, help="price of a core for an hour")
    parser.add_argument("--gib-hour", type=float, default=0.005, help="price of a GiB for an hour")
    options = parser.parse_args()
    demand = Demand(options.rate, options.images, exponent=0.9)
    load = psutil.getloadavg()[0]
    with played(options.images + CALIBRATION + 10) as stack:
        calibration = calibrate(stack, options.images)
        compared = compare(stack, demand, calibration, options.seconds)
    costs = calibration.costs
    print(f"On {psutil.cpu_count()} cores; load before it began: {load:.1f}.\n")
    print("| one check | |\n|---|---|")
    print(f"| API, answered by the cache | {1000 * costs.api_hit:.1f} ms of a core |")
    print(f"| API, judged while its client waits | {1000 * costs.api_miss:.1f} ms of a core |")
    print(f"| worker, fetched and known | {1000 * costs.fetch:.1f} ms of a core |")
    print(f"| worker, judged too | {1000 * (costs.fetch + costs.judge):.1f} ms of a core |")
    print(f"| Valkey, answered by the cache | {1e6 * costs.store_hit:.0f} µs of a core |")
    print(f"| Valkey, judged | {1e6 * costs.store_miss:.0f} µs of a core |")
    print(f"| Valkey, an image that is known | {costs.bytes_known:.0f} bytes |\n")
    print(f"| {options.seconds:.0f} s | predicted | measured | error |\n|---|---|---|---|")
    print("\n".join(compared))
    base = Demand(options.a_day / DAY, int(options.web), exponent=0.9, peak=options.peak)
    print(
        f"\n{options.a_day:.0e} checks a day ({base.rate:.0f} a second, {base.peak:.1f} times that "
        f"in the busiest hour) of {options.web:.0e} images; a core costs {options.core_hour} an "
        f"hour, a GiB {options.gib_hour}.\n"
    )
    print(f"| Zipf exponent | {PLAN}")
    for exponent in (0.7, 0.9, 1.1):
        demand = replace(base, exponent=exponent)
        print(f"| {exponent} | {plan(demand, PRODUCTION, costs, options)}")
    print(f"\n| of {base.exponent}: memory for | {PLAN}")
    known = outcome(base, PRODUCTION).known
    for share in (1, 1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32):
        policy = kept_within(base, PRODUCTION, share * known)
        print(f"| {share:.0%} of it | {plan(base, policy, costs, options)}")
    print("\n| digits | prefixes | 60 s | 300 s | 1 h | 1 day |\n|---|---|---|---|---|---|")
    print("\n".join(edges(base)))


if __name__ == "__main__":
    main()
