"""Measures what checks cost, and plans for many of them: `python -m bench.scale`.

It sends checks to the whole stack from eight clients: first of new images, then of new images with
known ones that are fetched again, then of new images with known ones that the cache answers. That
gives the cost of one check of each kind, as processor time of the processes, which other programs
on the machine change little. New images are in each load, because all parts of the stack take more
time on a processor that is busy with networks: a check of a known image takes the API twice as long
as one in a row of its like. Then it sends another mix, which the model of `bench.capacity`
predicts. Only if each prediction is within 15 %, it plans. `--write` puts the output into
docs/scale.md.
"""

from __future__ import annotations

import argparse
import itertools
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import psutil
import requests
from redis import Redis

from backend.supervisor import Supervisor
from bench.bulk_scan import make_images, web_server
from bench.capacity import DAY, Cost, Costs, Kind, Mix, Plan, plan, total
from bench.peers import Variants
from settings import Settings

CLIENTS = 8
WARM_UP = 40
"""New images before anything is measured. They are the known ones from then on."""
LOADS: Mapping[Kind, Mix] = {
    Kind.NEW: {Kind.NEW: 60},
    Kind.AGAIN: {Kind.NEW: 20, Kind.AGAIN: 200},
    Kind.KNOWN: {Kind.NEW: 40, Kind.KNOWN: 400},
}
"""The loads that give the costs of one check of each kind, in this order."""
MIXED: Mix = {Kind.NEW: 60, Kind.AGAIN: 60, Kind.KNOWN: 480}
"""The load that is predicted."""
IDLE_SECONDS = 10
WITHIN = 0.15
"""Largest error of a prediction that is planned with."""
SHARES: tuple[Mix, ...] = tuple(
    {Kind.KNOWN: 1 - again - new, Kind.AGAIN: again, Kind.NEW: new}
    for new, again in ((0.4, 0.1), (0.2, 0.1), (0.1, 0.05), (0.05, 0.05), (0.02, 0.03))
)
PEAK = 2.0
"""Rate of the busiest hour, divided by the average."""
IN_USE = 0.6
"""Part of the cores that is used in the busiest hour. The rest is a reserve."""
MACHINE_CORES = 2
DOCUMENT = Path(__file__).parent.parent / "docs" / "scale.md"
BEGIN, END = "<!-- python -m bench.scale --write -->\n", "<!-- end -->\n"


class Load:
    """Clients of the stack, and what its processes used.

    Args:
        stack: the running stack.
        site: the base URL of the images.
    """

    def __init__(self, stack: Supervisor, site: str) -> None:
        self._url, self._site = stack.url, site
        self._redis = Redis.from_url(str(stack.settings.redis_url))
        self._unseen = itertools.count()
        self._known = itertools.cycle(range(WARM_UP))
        self._sessions = threading.local()
        self._processes = [
            (part.name.partition("-")[0], each)
            for part in stack.processes
            for process in [psutil.Process(part.process.pid)]
            for each in (process, *process.children(recursive=True))
        ]
        self._idle = Cost()

    def watch_idle(self) -> None:
        """Measure what the processes use per second when they have nothing to do."""
        before, began = self._used(), time.monotonic()
        time.sleep(IDLE_SECONDS)
        self._idle = (self._used() - before) * (1 / (time.monotonic() - began))

    def run(self, mix: Mix) -> Cost:
        """Send checks in random order; return what they took, beyond idle use."""
        kinds = [kind for kind, number in mix.items() for _ in range(int(number))]
        random.Random(7).shuffle(kinds)  # noqa: S311
        before, began = self._used(), time.monotonic()
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(self._check, kinds))
        return self._used() - before - self._idle * (time.monotonic() - began)

    def _check(self, kind: Kind) -> None:
        """Check an image and wait for the answer."""
        if not hasattr(self._sessions, "session"):
            self._sessions.session = requests.Session()
            self._sessions.session.trust_env = False
        session: requests.Session = self._sessions.session
        image = next(self._unseen if kind is Kind.NEW else self._known)
        body = {"urls": [f"{self._site}/{image}.jpg"], "wait": 20, "force": kind is Kind.AGAIN}
        answer = session.post(f"{self._url}/v1/checks", json=body, timeout=60).json()
        while answer["status"] != "done":
            url = f"{self._url}/v1/checks/{answer['id']}?wait=20"
            answer = session.get(url, timeout=60).json()
        (item,) = answer["items"]
        if "verdict" not in item:
            raise SystemExit(f"no verdict, so the result is invalid: {item}")

    def _used(self) -> Cost:
        """Return the resources used so far."""
        seconds: Counter[str] = Counter()
        for name, process in self._processes:
            times = process.cpu_times()
            seconds[name] += times.user + times.system
        return Cost(seconds["api"], seconds["worker"], seconds["valkey"], self._memory())

    def _memory(self) -> float:
        """Return the bytes of what is kept about images and checks."""
        kinds = ("address", "verdict", "prefix", "similar", "check")
        with self._redis.pipeline(transaction=False) as pipe:
            for kind in kinds:
                for key in self._redis.scan_iter(f"assay:{kind}:*", count=1000):
                    pipe.memory_usage(key, samples=0)
            return float(sum(size or 0 for size in pipe.execute()))


@contextmanager
def stack_under_load() -> Iterator[Load]:
    """Run the stack, and a site with any number of images."""
    files = Variants(make_images(40))
    with tempfile.TemporaryDirectory() as folder, web_server(files) as site:
        settings = Settings(
            data_dir=Path(folder),
            bind="127.0.0.1:0",
            fetch_allow_nets=(ip_network("127.0.0.0/8"),),
        )
        with Supervisor(settings) as stack:
            load = Load(stack, site)
            load.run({Kind.NEW: WARM_UP})
            load.watch_idle()
            yield load


def measure() -> tuple[Costs, Cost]:
    """Return the costs of one check of each kind, and of all checks of the mixed load."""
    with stack_under_load() as load:
        costs: dict[Kind, Cost] = {}
        for kind, mix in LOADS.items():
            others = {other: number for other, number in mix.items() if other is not kind}
            costs[kind] = (load.run(mix) - total(costs, others)) * (1 / mix[kind])
        # No worker hears of them, and what is left of new images' costs would be large among them.
        costs[Kind.KNOWN] = replace(costs[Kind.KNOWN], worker=0.0)
        return costs, load.run(MIXED)


def parts(cost: Cost) -> dict[str, tuple[float, str]]:
    """Return a cost's parts by their names, each with its unit."""
    return {
        "API": (1000 * cost.api, "ms of a core"),
        "workers": (1000 * cost.worker, "ms of a core"),
        "store": (1000 * cost.store, "ms of a core"),
        "memory of the store": (cost.memory, "bytes"),
    }


def figure(value: float) -> str:
    """Return a number with three significant digits."""
    return f"{float(f'{value:.3g}'):,g}"


def cost_table(costs: Costs) -> Iterator[str]:
    """Yield the lines of a table of the costs of one check."""
    kinds = list(costs)
    yield "| one check of an image that is | " + " | ".join(kinds) + " |"
    yield "|---" * (len(kinds) + 1) + "|"
    columns = [parts(costs[kind]) for kind in kinds]
    for name, (_, unit) in columns[0].items():
        yield (
            f"| {name}, {unit} | "
            + " | ".join(figure(max(0.0, c[name][0])) for c in columns)
            + " |"
        )


def comparison(predicted: Cost, measured: Cost) -> dict[str, tuple[float, float, str, float]]:
    """Return prediction, measurement, unit and relative error of each part of a cost."""
    found = parts(measured)
    return {
        name: (value, found[name][0], unit, value / found[name][0] - 1)
        for name, (value, unit) in parts(predicted).items()
    }


def plan_row(costs: Costs, shares: Mix, per_day: float) -> str:
    """Return a row of the table of plans."""
    planned = plan(costs, shares, per_day=per_day, peak=PEAK, in_use=IN_USE, kept=30 * DAY)
    cores = planned.api + planned.worker + planned.store
    cells = (
        *(f"{shares[kind]:.0%}" for kind in (Kind.KNOWN, Kind.AGAIN, Kind.NEW)),
        *(f"{each:,.1f}" for each in (planned.api, planned.worker, planned.store)),
        f"{cores / MACHINE_CORES:,.0f}",
        largest_part(planned),
        f"{planned.images / 2**30:,.0f}",
        f"{planned.records / 2**30:,.1f}",
        f"{1 / total(costs, shares).store:,.0f}",
    )
    return "| " + " | ".join(cells) + " |"


def largest_part(planned: Plan) -> str:
    """Return which role takes most cores, and its part of them."""
    roles = {"workers": planned.worker, "API": planned.api, "store": planned.store}
    role = max(roles, key=lambda name: roles[name])
    return f"{role} {roles[role] / sum(roles.values()):.0%}"


PLAN_HEAD = (
    "| known | fetched again | new | API cores | worker cores | store cores | machines "
    "| largest part | GiB for images | GiB for records | checks/s of one store core |\n"
    + "|---" * 11
    + "|"
)


def report(costs: Costs, mixed: Cost, per_day: float) -> tuple[str, list[str]]:
    """Return the Markdown for docs/scale.md, and the names of the parts that are off."""
    number = sum(MIXED.values())
    compared = comparison(total(costs, MIXED) * (1 / number), mixed * (1 / number))
    off = [name for name, (*_, error) in compared.items() if abs(error) > WITHIN]
    kinds = ", ".join(f"{n} {kind}" for kind, n in MIXED.items())
    lines = [
        *cost_table(costs),
        "",
        f"| one check of a mix ({kinds}) | predicted | measured | error |\n|---|---|---|---|",
        *(
            f"| {name}, {unit} | {figure(predicted)} | {figure(measured)} | {error:+.0%} |"
            for name, (predicted, measured, unit, error) in compared.items()
        ),
    ]
    if not off:
        lines += [
            "",
            f"{per_day:,.0f} checks per day are {per_day / DAY:,.0f} per second, and "
            f"{PEAK * per_day / DAY:,.0f} in the busiest hour:",
            "",
            PLAN_HEAD,
            *(plan_row(costs, shares, per_day) for shares in SHARES),
        ]
    return "\n".join(lines) + "\n", off


def main() -> None:
    """Measure, compare, plan, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--a-day", type=float, default=1e8, help="planned checks per day")
    parser.add_argument("--write", action="store_true", help="put the output into docs/scale.md")
    options = parser.parse_args()
    text, off = report(*measure(), options.a_day)
    print(text)
    if off:
        raise SystemExit(f"No plan: off by more than {WITHIN:.0%}: {', '.join(off)}.")
    if options.write:
        before, _, rest = DOCUMENT.read_text().partition(BEGIN)
        DOCUMENT.write_text(before + BEGIN + text + END + rest.partition(END)[2])


if __name__ == "__main__":
    main()
