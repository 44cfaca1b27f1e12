"""Thresholds and early exits, on synthetic scores."""

from __future__ import annotations

import numpy as np
import pytest

from training import metrics, operating_points
from training.datasets.packs import Example
from training.features import Features
from training.operating_points import Cell, LogitThresholds

RNG = np.random.default_rng(0)
COUNT = 2000


def drawn(corpora: tuple[str, ...] = ("photo", "art")) -> Features:
    """Every image in two tiers. Each image is a source."""
    examples = [
        Example("modern", f"{i}", i % 2 == 0, corpora[i // 2 % len(corpora)], f"s{i}", "")
        for i in range(COUNT)
    ]
    tiers = np.array(["clean"] * COUNT + ["hard"] * COUNT)
    return Features(examples * 2, tiers, np.zeros((2 * COUNT, 1), np.float32))


KNOWN = drawn()
AI = np.array([example.ai for example in KNOWN.examples])
ART = np.array([example.corpus == "art" for example in KNOWN.examples])
LOGITS = RNG.normal(size=2 * COUNT) + np.where(AI, 1.5, -1.5) + np.where(ART, 0.7, 0.0)
PARTS = list(operating_points.cells(KNOWN))


def test_a_part_is_a_tier_or_a_corpus_in_it() -> None:
    assert [(part.tier, part.corpus) for part in PARTS] == [
        (tier, corpus) for tier in ("clean", "hard") for corpus in ("", "photo", "art")
    ]
    assert all(part.sample_weight[part.ai].sum() == pytest.approx(0.5) for part in PARTS)


def test_a_corpus_that_is_not_there_is_left_out() -> None:
    assert {part.corpus for part in operating_points.cells(drawn(("photo",)))} == {"", "photo"}


def test_thresholds_keep_their_promise_in_every_tier_and_corpus() -> None:
    bounds = operating_points.fit_thresholds(LOGITS, PARTS)
    passed = [operating_points.labels(LOGITS, bounds, part)[0] for part in PARTS]
    below = [
        metrics.mean(part.ai[under], part.sample_weight[under])
        for part in PARTS
        if not part.corpus
        for under in [LOGITS[part.rows] < bounds.real]
    ]

    assert max(passed) == pytest.approx(operating_points.REAL_CALLED_AI, abs=0.003)
    assert max(passed) <= operating_points.REAL_CALLED_AI + 1e-9
    assert max(below) == pytest.approx(operating_points.AI_AMONG_REAL, abs=0.003)
    assert bounds.real <= bounds.ai


def test_labels_are_counted() -> None:
    part = Cell("clean", "", np.arange(4), np.array([True, True, False, False]), np.full(4, 0.25))
    counted = operating_points.labels(
        np.array([3.0, -3.0, 0.0, -3.0]), LogitThresholds(real=-1.0, ai=1.0), part
    )

    assert counted == pytest.approx((0.0, 0.5, 0.75, 2 / 3))


def test_scores_that_do_not_carry_over_are_seen_to() -> None:
    text = operating_points.label_table({"folds": LOGITS, "kinds": LOGITS + 1.0}, KNOWN)
    rows = [line.split(" | ") for line in text.splitlines()[2:]]
    passed = {
        (row[0].removeprefix("| "), row[1]): float(row[4])
        for row in rows
        if row[2:4] == ["clean", "art"]
    }

    assert passed["folds", "folds"] <= 0.04
    assert passed["folds", "kinds"] > 0.1
    assert passed["kinds", "kinds"] <= 0.04


def test_the_surest_images_stop_early() -> None:
    whole = LOGITS + RNG.normal(size=len(LOGITS))
    sample_weight = np.ones(len(LOGITS))
    early = operating_points.exit_scores(LOGITS, whole, sample_weight, 0.25)
    stopped = early != whole

    assert stopped.mean() == pytest.approx(0.25, abs=0.01)
    assert np.abs(LOGITS[stopped]).min() >= np.abs(LOGITS[~stopped]).max()
    assert operating_points.exit_scores(LOGITS, whole, sample_weight, 0.0) == pytest.approx(whole)


def test_stopping_early_costs_more_the_more_stop() -> None:
    shallow = LOGITS + RNG.normal(size=len(LOGITS)) * 2
    text = operating_points.exit_table({"kinds": shallow}, {"kinds": LOGITS}, KNOWN, 8)
    rows = [line.strip("| ").split(" | ") for line in text.splitlines()[2:]]

    assert [row[1] for row in rows] == ["0.2", "0.4", "0.6", "0.8"]
    assert float(rows[0][2]) > float(rows[-1][2])
    assert float(rows[-1][2]) < -0.01
    assert rows[-1][4] == "0.73"
