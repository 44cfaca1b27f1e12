"""What a demand costs: how much of it the caches answer, and what the rest needs.

A model in closed form, so that 10^8 checks a day are as quick to work out as a hundred. Checks of
an image arrive at random (a Poisson process) at a rate that falls with the image's rank (Zipf).
`bench.scale` holds it against the real stack.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DAY = 24 * 3600
EXACT_RANKS = 1000
"""The first ranks count one by one; those after them in groups that grow by 1 %."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Demand:
    """Who asks for what."""

    rate: float
    """Checks a second, on average."""
    images: int
    """Different images that are ever asked for."""
    exponent: float
    """Of Zipf's law: the image of rank n is asked for as often as n to the power of -exponent."""
    peak: float = 1.0
    """The busiest hour's rate, divided by the average."""


@dataclass(frozen=True)
class Policy:
    """How long what is known counts; seconds, as in the settings."""

    revalidate_after: float
    verdict_ttl: float


@dataclass(frozen=True)
class Costs:
    """What one check costs, measured; seconds of one core, and bytes."""

    api_hit: float
    """API seconds of a check that the cache answers."""
    api_miss: float
    """API seconds of one that it does not, and whose client waits for the answer."""
    fetch: float
    """Worker seconds to fetch an image and find that its bytes are known."""
    judge: float
    """Worker seconds more if they are not."""
    store_hit: float
    """Redis seconds of a check that the cache answers."""
    store_miss: float
    """Redis seconds of one that it does not, as store and as broker."""
    bytes_known: float
    """Redis memory of an image that is known."""


@dataclass(frozen=True)
class Outcome:
    """What the checks become; shares of all checks, and images that are known at any time."""

    hits: float
    fetched: float
    judged: float
    known: float


@dataclass(frozen=True)
class Needs:
    """What the busiest hour takes."""

    api_cores: float
    worker_cores: float
    store_cores: float
    memory: float
    """Bytes of Redis."""


def popularity(demand: Demand) -> tuple[Array, Array]:
    """Return groups of images, and how often each image of a group is asked for (1/s)."""
    exact = min(demand.images, EXACT_RANKS)
    ranks = np.arange(1, exact + 1, dtype=float)
    steps = max(1, math.ceil(math.log(max(demand.images / exact, 1)) / math.log(1.01)))
    edges = np.unique(np.round(np.geomspace(exact, demand.images, steps + 1)))
    sizes = np.concatenate([np.ones(exact), np.diff(edges)])
    middle = np.concatenate([ranks, np.sqrt((edges[:-1] + 1) * edges[1:])])
    weights = middle**-demand.exponent
    return sizes, demand.rate * weights / np.sum(sizes * weights)


def outcome(demand: Demand, policy: Policy) -> Outcome:
    """Return what the caches answer, once they are warm.

    An image's life goes round: it is fetched; checks within `revalidate_after` (T) are hits; the
    next one, which comes after T + 1/rate on average, fetches it again, and judges it too if the
    verdict has expired meanwhile (V = `verdict_ttl`).
    """
    sizes, rates = popularity(demand)
    fresh, kept = policy.revalidate_after, max(policy.verdict_ttl, policy.revalidate_after)
    cycle = fresh + 1 / rates
    expired = np.exp(-rates * (kept - fresh))
    alive = fresh + (1 - expired) / rates
    share = sizes / cycle / demand.rate
    return Outcome(
        hits=1 - float(np.sum(share)),
        fetched=float(np.sum(share)),
        judged=float(np.sum(share * expired)),
        known=float(np.sum(sizes * alive / cycle)),
    )


def kept_within(demand: Demand, policy: Policy, known: float) -> Policy:
    """Return the policy that results if Redis has memory for so many images only.

    It evicts what was used least lately, which shortens the time that an image is kept to one value
    for all (Che's approximation).
    """
    if outcome(demand, policy).known <= known:
        return policy
    low, high = 0.0, policy.verdict_ttl
    for _ in range(60):
        middle = (low + high) / 2
        shorter = Policy(min(policy.revalidate_after, middle), middle)
        low, high = (low, middle) if outcome(demand, shorter).known > known else (middle, high)
    return Policy(min(policy.revalidate_after, low), low)


def needs(demand: Demand, result: Outcome, costs: Costs) -> Needs:
    """Return the load of the busiest hour, with nothing to spare."""
    rate = demand.rate * demand.peak
    return Needs(
        api_cores=rate * (result.hits * costs.api_hit + result.fetched * costs.api_miss),
        worker_cores=rate * (result.fetched * costs.fetch + result.judged * costs.judge),
        store_cores=rate * (result.hits * costs.store_hit + result.fetched * costs.store_miss),
        memory=result.known * costs.bytes_known,
    )


def waiting(arrivals: float, seconds: float, servers: int) -> float:
    """Return the mean seconds that a job waits for one of the servers (Erlang C).

    Args:
        arrivals: jobs a second.
        seconds: mean service time of a job.
        servers: that work at once; infinity is returned if they cannot keep up.
    """
    load = arrivals * seconds
    if load >= servers:
        return math.inf
    blocked = 1.0
    for number in range(1, servers + 1):
        blocked = load * blocked / (number + load * blocked)
    queued = blocked / (1 - load / servers * (1 - blocked))
    return queued * seconds / (servers - load)


def servers_for(arrivals: float, seconds: float, patience: float) -> int:
    """Return how many servers keep the mean wait within `patience` seconds."""
    servers = math.floor(arrivals * seconds) + 1
    while waiting(arrivals, seconds, servers) > patience:
        servers += 1
    return servers


def edge_hits(demand: Demand, digits: int, max_age: float, places: int) -> float:
    """Return the share of lookups by prefix that a cache in front of the API answers.

    Args:
        demand: lookups, spread over all prefixes by a hash, and over the places evenly.
        digits: hex digits of the prefix.
        max_age: seconds that an answer may be kept.
        places: separate caches in the world.
    """
    sizes, rates = popularity(demand)
    others = (demand.rate - rates) / 16**digits  # that share the image's prefix
    per_place = (rates + others) / places
    return float(
        np.sum(sizes * rates * per_place * max_age / (1 + per_place * max_age)) / demand.rate
    )
