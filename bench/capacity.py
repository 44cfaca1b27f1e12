"""A capacity model: cache hit rate and required resources for a demand.

The model is in closed form, so 10^8 checks per day take no longer to compute than a hundred. Checks
of an image are a Poisson process whose rate falls with the image's rank (Zipf's law). `bench.scale`
compares the model with a real server.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DAY = 24 * 3600
EXACT_RANKS = 1000
"""The first ranks are modelled one by one, the others in groups that grow by 1 %."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Demand:
    """The load."""

    rate: float
    """Checks per second, on average."""
    images: int
    """Number of different images."""
    exponent: float
    """Of Zipf's law: the image of rank n is checked with a rate proportional to n^-exponent."""
    peak: float = 1.0
    """Rate of the busiest hour, divided by the average."""


@dataclass(frozen=True)
class Policy:
    """Cache lifetimes in seconds, as in the settings."""

    revalidate_after: float
    verdict_ttl: float


@dataclass(frozen=True)
class Costs:
    """The measured cost of one check, in seconds of one core and in bytes."""

    api_hit: float
    """API seconds for a cache hit."""
    api_miss: float
    """API seconds for a miss whose client waits for the answer."""
    fetch: float
    """Worker seconds to fetch an image whose bytes are in the cache."""
    classify: float
    """Additional worker seconds if they are not."""
    store_hit: float
    """Redis seconds for a cache hit."""
    store_miss: float
    """Redis seconds for a miss, as store and as broker."""
    bytes_known: float
    """Redis memory per cached image."""


@dataclass(frozen=True)
class Outcome:
    """Fractions of all checks by how they are answered, and the number of cached images."""

    hits: float
    fetched: float
    classified: float
    known: float


@dataclass(frozen=True)
class Needs:
    """The resources for the busiest hour."""

    api_cores: float
    worker_cores: float
    store_cores: float
    memory: float
    """Bytes of Redis."""


def popularity(demand: Demand) -> tuple[Array, Array]:
    """Return sizes of groups of images, and the check rate per image of each group (1/s)."""
    exact = min(demand.images, EXACT_RANKS)
    ranks = np.arange(1, exact + 1, dtype=float)
    steps = max(1, math.ceil(math.log(max(demand.images / exact, 1)) / math.log(1.01)))
    edges = np.unique(np.round(np.geomspace(exact, demand.images, steps + 1)))
    sizes = np.concatenate([np.ones(exact), np.diff(edges)])
    middle = np.concatenate([ranks, np.sqrt((edges[:-1] + 1) * edges[1:])])
    weights = middle**-demand.exponent
    return sizes, demand.rate * weights / np.sum(sizes * weights)


def outcome(demand: Demand, policy: Policy) -> Outcome:
    """Return the steady state of the caches.

    Each image has a cycle. After a fetch, checks within `revalidate_after` (T) are hits. The next
    check comes after T + 1/rate on average and fetches the image again. It also classifies the
    image if the verdict has expired (V = `verdict_ttl`).
    """
    sizes, rates = popularity(demand)
    fresh, kept = policy.revalidate_after, max(policy.verdict_ttl, policy.revalidate_after)
    cycle = fresh + 1 / rates
    expired = np.exp(-rates * (kept - fresh))
    alive = fresh + (1 - expired) / rates
    fraction = sizes / cycle / demand.rate
    return Outcome(
        hits=1 - float(np.sum(fraction)),
        fetched=float(np.sum(fraction)),
        classified=float(np.sum(fraction * expired)),
        known=float(np.sum(sizes * alive / cycle)),
    )


def kept_within(demand: Demand, policy: Policy, known: float) -> Policy:
    """Return the effective policy if Redis has memory for only `known` images.

    LRU eviction shortens the lifetime of all images to the same value (Che's approximation).
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
    """Return the resources for the busiest hour, without reserve."""
    rate = demand.rate * demand.peak
    return Needs(
        api_cores=rate * (result.hits * costs.api_hit + result.fetched * costs.api_miss),
        worker_cores=rate * (result.fetched * costs.fetch + result.classified * costs.classify),
        store_cores=rate * (result.hits * costs.store_hit + result.fetched * costs.store_miss),
        memory=result.known * costs.bytes_known,
    )


def waiting(arrivals: float, seconds: float, servers: int) -> float:
    """Return the mean waiting time of a job in seconds (Erlang C).

    Args:
        arrivals: jobs per second.
        seconds: mean service time of a job.
        servers: number of servers. The result is infinite if they cannot keep up.
    """
    load = arrivals * seconds
    if load >= servers:
        return math.inf
    blocked = 1.0
    for number in range(1, servers + 1):
        blocked = load * blocked / (number + load * blocked)
    queued = blocked / (1 - load / servers * (1 - blocked))
    return queued * seconds / (servers - load)


def servers_for(arrivals: float, seconds: float, max_wait: float) -> int:
    """Return the number of servers that keeps the mean waiting time within `max_wait` seconds."""
    servers = math.floor(arrivals * seconds) + 1
    while waiting(arrivals, seconds, servers) > max_wait:
        servers += 1
    return servers


def edge_hits(demand: Demand, digits: int, max_age: float, caches: int) -> float:
    """Return the fraction of prefix lookups that edge caches in front of the API answer.

    Args:
        demand: lookups, spread over all prefixes by a hash, and evenly over the caches.
        digits: hex digits of the prefix.
        max_age: lifetime of an answer in seconds.
        caches: number of separate edge caches.
    """
    sizes, rates = popularity(demand)
    others = (demand.rate - rates) / 16**digits  # that share the image's prefix
    per_cache = (rates + others) / caches
    return float(
        np.sum(sizes * rates * per_cache * max_age / (1 + per_cache * max_age)) / demand.rate
    )
