"""A capacity model: the processor time and memory that a mix of checks takes.

It adds up the measured cost of one check of each kind. `bench.scale` measures these costs, compares
the model with a mixed load, and plans with it. The model does not know how often images repeat, nor
how long checks wait: neither follows from costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

DAY, HOUR = 24 * 3600, 3600


class Kind(StrEnum):
    """How a check is answered."""

    KNOWN = "known"
    """From the cache."""
    AGAIN = "fetched again"
    """The image is fetched again, and its bytes are known."""
    NEW = "new"
    """The image is fetched and judged."""


@dataclass(frozen=True)
class Cost:
    """What checks take: seconds of one core, and bytes."""

    api: float = 0.0
    worker: float = 0.0
    store: float = 0.0
    """Redis, as store and as broker."""
    memory: float = 0.0
    """Of Redis."""

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.api + other.api,
            self.worker + other.worker,
            self.store + other.store,
            self.memory + other.memory,
        )

    def __mul__(self, factor: float) -> Cost:
        return Cost(
            self.api * factor, self.worker * factor, self.store * factor, self.memory * factor
        )

    def __sub__(self, other: Cost) -> Cost:
        return self + other * -1


Costs = Mapping[Kind, Cost]
"""Of one check of each kind."""
Mix = Mapping[Kind, float]
"""How many checks of each kind there are, or their shares of all checks."""


def total(costs: Costs, mix: Mix) -> Cost:
    """Return what a mix of checks takes."""
    return sum((costs[kind] * number for kind, number in mix.items()), Cost())


@dataclass(frozen=True)
class Plan:
    """What a load needs in its busiest hour, with a reserve."""

    api: float
    """Cores, like the next two."""
    worker: float
    store: float
    images: float
    """Bytes of Redis for what is known about images."""
    records: float
    """Bytes of Redis for the records of checks, which say what was asked for."""


def plan(
    costs: Costs, shares: Mix, *, per_day: float, peak: float, in_use: float, kept: float
) -> Plan:
    """Plan for a load.

    Args:
        costs: of one check.
        shares: of all checks; their sum is 1.
        per_day: checks per day.
        peak: rate of the busiest hour, divided by the average.
        in_use: the part of the cores that is used then.
        kept: seconds for which verdicts are kept.
    """
    rate = per_day / DAY * peak
    busiest = total(costs, shares) * (rate / in_use)
    record = costs[Kind.KNOWN].memory
    image = costs[Kind.NEW].memory - record
    return Plan(
        api=busiest.api,
        worker=busiest.worker,
        store=busiest.store,
        images=per_day / DAY * kept * shares[Kind.NEW] * image,
        records=rate * HOUR * record,
    )
