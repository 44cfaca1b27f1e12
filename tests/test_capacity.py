"""The capacity model, and when it plans."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.capacity import DAY, HOUR, Cost, Kind, plan, total
from bench.scale import MIXED, WITHIN, report

COSTS = {
    Kind.KNOWN: Cost(api=0.002, worker=0.0, store=0.0001, memory=400),
    Kind.AGAIN: Cost(api=0.004, worker=0.01, store=0.001, memory=400),
    Kind.NEW: Cost(api=0.005, worker=0.2, store=0.002, memory=2400),
}
SHARES = {Kind.KNOWN: 0.8, Kind.AGAIN: 0.1, Kind.NEW: 0.1}


def test_a_mix_costs_what_its_checks_cost() -> None:
    found = total(COSTS, {Kind.KNOWN: 10, Kind.NEW: 2})
    assert (found.api, found.worker) == pytest.approx((0.03, 0.4))
    assert (found.store, found.memory) == pytest.approx((0.005, 8800))


def test_the_busiest_hour_leaves_a_reserve_and_verdicts_are_kept_for_their_time() -> None:
    planned = plan(COSTS, SHARES, per_day=100 * DAY, peak=2, in_use=0.5, kept=30 * DAY)
    # 200 checks per second on half of each core are as many as 400 on whole ones.
    assert planned.worker == pytest.approx(400 * (0.1 * 0.01 + 0.1 * 0.2))
    assert planned.api == pytest.approx(400 * (0.8 * 0.002 + 0.1 * 0.004 + 0.1 * 0.005))
    assert planned.store == pytest.approx(400 * (0.8 * 0.0001 + 0.1 * 0.001 + 0.1 * 0.002))
    assert planned.images == pytest.approx(100 * 30 * DAY * 0.1 * 2000)
    assert planned.records == pytest.approx(200 * HOUR * 400)


def test_what_is_not_predicted_well_is_not_planned_with() -> None:
    measured = total(COSTS, MIXED)
    text, off = report(COSTS, measured, per_day=1e8)
    assert off == []
    assert "machines" in text
    worse = replace(measured, store=measured.store * (1 + 2 * WITHIN))
    text, off = report(COSTS, worse, per_day=1e8)
    assert off == ["store"]
    assert "machines" not in text
