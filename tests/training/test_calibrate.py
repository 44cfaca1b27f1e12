"""Calibration: what it finds on scores whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from training.calibrate import AI_CALLED_REAL, REAL_CALLED_AI, fit_by_source, platt, thresholds

RNG = np.random.default_rng(0)
IMAGES = 4000
AI = RNG.random(IMAGES) < 0.5
SHARE = np.full(IMAGES, 1 / IMAGES)
# Two Gaussians 2 apart with variance 1: the true log-odds are 2x - 2.
SIGNAL = RNG.normal(np.where(AI, 2.0, 0.0))


def test_platt_scaling_finds_the_true_odds() -> None:
    scale = platt(SIGNAL[:, None], AI, SHARE)

    assert scale.slope == pytest.approx(2, abs=0.2)
    assert scale.intercept == pytest.approx(-2, abs=0.2)


def test_the_thresholds_keep_their_promise_in_the_worst_tier() -> None:
    blurred = SIGNAL + RNG.normal(0, 1, IMAGES)
    tiers = [1 / (1 + np.exp(-values)) for values in (SIGNAL, blurred)]
    limits = thresholds(tiers, [AI, AI], SHARE)

    assert limits.real < limits.ai
    assert max((tier[~AI] >= limits.ai).mean() for tier in tiers) <= REAL_CALLED_AI + 0.002
    assert max((tier[AI] < limits.real).mean() for tier in tiers) <= AI_CALLED_REAL + 0.002


def test_an_image_is_scored_by_a_fit_that_has_not_seen_its_source(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("training.calibrate.STRENGTHS", (1.0,))
    source = RNG.integers(0, 40, IMAGES).astype(str)
    own = source == "7"
    lied_about = np.where(own, ~AI, AI)

    _, before = fit_by_source(SIGNAL[:, None], AI, SHARE, source)
    _, after = fit_by_source(SIGNAL[:, None], lied_about, SHARE, source)

    assert after[own] == pytest.approx(before[own])
    assert np.abs(after - before).max() > 1e-3
