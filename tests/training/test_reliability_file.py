"""The shipped reliability is that of the report."""

from __future__ import annotations

from models.sentences import reliability
from training.reliability import measured


def test_the_shipped_counts_are_those_of_the_report() -> None:
    assert reliability() == measured()
