"""The learning curve: more owners, better figures."""

from __future__ import annotations

import pytest

from tests.training.drawn_features import Drawn
from training import learning_curve
from training.paths import Paths
from training.recipes import Recipe, Regression


def test_a_point_is_measured_once_per_draw_and_all_owners_once(
    drawn: Drawn, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning_curve, "SHIPPED", {"clip": Recipe("", (Regression((12,)),))})
    some = learning_curve.points(drawn.known, 0.5, paths)
    every = learning_curve.points(drawn.known, 1.0, paths)

    assert (len(some), len(every)) == (learning_curve.DRAWS, 1)
    assert all(0.8 < auc <= 1 for auc, _ in (*some, *every))


def test_draws_are_given_with_their_range() -> None:
    text = learning_curve.report([(0.5, 10, [(0.8, 0.3), (0.9, 0.5)]), (1.0, 20, [(0.95, 0.7)])])

    assert "| 0.5 | 10 | 0.850 (0.800–0.900) | 0.400 (0.300–0.500) |" in text
    assert "| 1 | 20 | 0.950 | 0.700 |" in text
