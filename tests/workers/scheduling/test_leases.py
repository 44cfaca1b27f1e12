"""Leases are renewed while they are kept, and no longer; a store that is away is no end."""

from __future__ import annotations

import itertools
import time

import pytest
from redis import RedisError

from tests.conftest import until
from workers.scheduling import leases as module
from workers.scheduling.leases import Leases


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RENEW_INTERVAL", 0.01)


def test_what_is_kept_is_renewed_until_the_block_ends() -> None:
    renewed: list[str] = []
    leases = Leases()
    with leases.held(lambda: renewed.append("a")):
        with leases.held(lambda: renewed.append("b")):
            until(lambda: renewed.count("b") > 3, "both are renewed")
        time.sleep(0.1)  # one renewal may have been under way
        count = renewed.count("b")
        until(lambda: renewed.count("a") > 20, "the other goes on")
        assert renewed.count("b") == count


def test_a_thread_that_hangs_keeps_nothing_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST", 0.3)
    renewed: list[float] = []
    started = time.monotonic()
    with Leases().held(lambda: renewed.append(time.monotonic() - started)):
        time.sleep(1)
    assert renewed
    assert max(renewed) < 0.9


def test_what_was_kept_when_the_store_went_away_is_kept_when_it_is_back() -> None:
    calls = itertools.count()

    def renew() -> None:
        if next(calls) < 3:
            raise RedisError("away")

    with Leases().held(renew):
        until(lambda: next(calls) > 10, "it is tried again")
