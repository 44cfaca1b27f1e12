"""Compares the closed-form capacity model with simple simulations."""

from __future__ import annotations

import heapq

import numpy as np
import pytest

from bench.capacity import (
    Demand,
    Policy,
    edge_hits,
    kept_within,
    outcome,
    popularity,
    servers_for,
    waiting,
)

DEMAND = Demand(rate=5, images=2000, exponent=0.9)
POLICY = Policy(revalidate_after=60, verdict_ttl=300)


def simulated(demand: Demand, policy: Policy, seconds: float) -> tuple[float, float]:
    """Simulate checks one by one. Return the fractions of cache hits and of classifications."""
    random = np.random.default_rng(1)
    sizes, rates = popularity(demand)
    assert len(sizes) == demand.images or sizes.sum() == demand.images
    each = np.repeat(rates, sizes.astype(int))
    count = int(demand.rate * seconds)
    times = np.cumsum(random.exponential(1 / demand.rate, count))
    images = random.choice(len(each), count, p=each / each.sum())
    fetched: dict[int, float] = {}
    hits = classified = counted = 0
    for time, image in zip(times, images, strict=True):
        age = time - fetched.get(image, -np.inf)
        if age > policy.revalidate_after:
            fetched[image] = time
        if time > 2 * policy.verdict_ttl:  # warm
            counted += 1
            hits += age <= policy.revalidate_after
            classified += age > policy.verdict_ttl
    return hits / counted, classified / counted


def test_hits_and_judgements_are_those_of_a_simulation() -> None:
    result = outcome(DEMAND, POLICY)
    hits, classified = simulated(DEMAND, POLICY, 20_000)
    assert result.hits == pytest.approx(hits, abs=0.01)
    assert result.classified == pytest.approx(classified, abs=0.01)
    assert result.hits + result.fetched == pytest.approx(1)


def test_ranks_in_groups_are_asked_for_as_often_as_all_together() -> None:
    sizes, rates = popularity(Demand(rate=7, images=10**9, exponent=0.8))
    assert sizes.sum() == 10**9
    assert np.sum(sizes * rates) == pytest.approx(7)
    assert len(sizes) < 5000


def test_with_less_memory_less_is_kept_and_more_is_classified() -> None:
    all_kept = outcome(DEMAND, POLICY)
    shorter = kept_within(DEMAND, POLICY, all_kept.known / 2)
    less = outcome(DEMAND, shorter)
    assert less.known == pytest.approx(all_kept.known / 2, rel=0.01)
    assert less.classified > all_kept.classified
    assert kept_within(DEMAND, POLICY, 2 * all_kept.known) == POLICY


def test_the_wait_is_that_of_a_simulated_queue() -> None:
    random = np.random.default_rng(2)
    arrivals = np.cumsum(random.exponential(1 / 3, 200_000))
    free = [0.0] * 4
    waits = []
    for arrival in arrivals:
        start = max(arrival, heapq.heappop(free))
        waits.append(start - arrival)
        heapq.heappush(free, start + random.exponential(1.0))
    assert waiting(3, 1.0, 4) == pytest.approx(float(np.mean(waits)), rel=0.1)
    assert waiting(4, 1.0, 4) == float("inf")


def test_so_many_servers_are_just_enough() -> None:
    enough = servers_for(300, 0.1, 0.05)
    assert waiting(300, 0.1, enough) <= 0.05 < waiting(300, 0.1, enough - 1)


def test_the_edge_answers_more_if_prefixes_are_short_and_answers_are_kept_long() -> None:
    base = edge_hits(DEMAND, digits=5, max_age=300, caches=10)
    assert 0 < base < 1
    assert edge_hits(DEMAND, digits=4, max_age=300, caches=10) > base
    assert edge_hits(DEMAND, digits=5, max_age=3000, caches=10) > base
    assert edge_hits(DEMAND, digits=5, max_age=300, caches=100) < base
