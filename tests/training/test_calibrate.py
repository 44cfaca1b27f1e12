"""Calibration on scores with known labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.manifest import Manifest, MemberRecord, Scale, Stack, Thresholds
from training.calibrate import (
    AI_AMONG_REAL,
    REAL_CALLED_AI,
    Answers,
    calibrate,
    fit_by_source,
    platt,
    thresholds,
)
from training.datasets.packs import Example

RNG = np.random.default_rng(0)
IMAGES = 4000
AI = RNG.random(IMAGES) < 0.5
SHARE = np.full(IMAGES, 1 / IMAGES)
# Two Gaussians at a distance of 2 with variance 1 have the log-odds 2x - 2.
SIGNAL = RNG.normal(np.where(AI, 2.0, 0.0))


@pytest.fixture(autouse=True)
def _few_strengths(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fits of every strength take long."""
    monkeypatch.setattr("training.calibrate.STRENGTHS", (0.1, 1.0))


def test_platt_scaling_finds_the_true_odds() -> None:
    scale = platt(SIGNAL[:, None], AI, SHARE)

    assert scale.slope == pytest.approx(2, abs=0.2)
    assert scale.intercept == pytest.approx(-2, abs=0.2)


def test_the_thresholds_keep_their_promises() -> None:
    probability = 1 / (1 + np.exp(2 - 2 * SIGNAL))
    limits = thresholds(probability, AI, SHARE)

    assert limits.real < limits.ai
    assert (probability[~AI] >= limits.ai).mean() == pytest.approx(REAL_CALLED_AI, abs=0.002)
    called_real = probability < limits.real
    assert AI[called_real].mean() == pytest.approx(AI_AMONG_REAL, abs=0.005)
    assert called_real.mean() > 0.1


def test_where_nothing_can_be_called_real_nothing_is() -> None:
    assert thresholds(RNG.random(IMAGES), AI, SHARE).real == 0


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


def answered(light: float, strong: float, extra: float) -> Answers:
    """Logits of two members: the label times a strength, plus noise."""
    examples = [
        Example("modern", str(index), bool(truth), "photo", f"s{index % 60}{truth}", "")
        for index, truth in enumerate(AI[:600])
    ]
    signal = SIGNAL[:600] - 1
    noise = np.random.default_rng(1).normal(0, 1, (2, 1800))
    tiers = np.tile(signal, 3)
    return Answers(
        ["cnn", "clip"],
        np.stack([light * tiers + noise[0], strong * tiers + noise[1]], axis=1),
        examples,
        (
            [replace(each, source=f"other-{each.source}") for each in examples],
            extra * signal + noise[0, :600],
        ),
    )


MANIFEST = Manifest(
    released="2026-01-31",
    members=tuple(
        MemberRecord(
            name=name,
            file=f"{name}.xml",
            sha256="0" * 64,
            view="any",
            calibration=Scale(slope=1, intercept=0),
        )
        for name in ("cnn", "clip")
    ),
    stack=Stack(weights={"cnn": 1, "clip": 1}, intercept=0),
    thresholds=Thresholds(real=0.2, ai=0.8),
)


def test_members_that_know_different_things_decide_together() -> None:
    fitted = calibrate(MANIFEST, answered(1.0, 1.5, 1.5))

    assert fitted.stack.weights["clip"] > fitted.stack.weights["cnn"] > 0


def test_clip_decides_alone_where_the_others_add_nothing() -> None:
    fitted = calibrate(MANIFEST, answered(0.1, 5.0, 5.0))

    assert set(fitted.stack.weights) == {"clip"}
    assert fitted.cascade is not None
    assert set(fitted.cascade.stack.weights) == {"cnn"}


def test_the_light_members_may_decide_only_where_they_are_surer_than_a_label_asks() -> None:
    first = calibrate(MANIFEST, answered(1.0, 1.5, 1.5)).cascade

    assert first is not None
    assert first.doubt.real <= first.thresholds.real
    assert first.doubt.ai >= first.thresholds.ai


def test_the_stack_is_cooled_where_other_sources_are_harder() -> None:
    even = calibrate(MANIFEST, answered(0.5, 3.0, 3.0)).stack.weights["clip"]
    harder = calibrate(MANIFEST, answered(0.5, 3.0, 0.0)).stack.weights["clip"]

    assert harder < 0.9 * even
