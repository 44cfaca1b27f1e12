"""The head of clip: what it learns, and that its logits are out of fold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from training.datasets.packs import Example
from training.features import Features
from training.probe import choose, cross_fit, fit, joined

RNG = np.random.default_rng(0)
SOURCES, EACH = 24, 6


def drawn() -> Features:
    """Sources with one label each. The first of eight features is the label plus noise."""
    examples = [
        Example("modern", f"{source}-{index}", source % 2 == 0, "photo", f"s{source}", "")
        for source in range(SOURCES)
        for index in range(EACH)
    ]
    values = RNG.normal(size=(len(examples), 8)).astype(np.float32)
    values[:, 0] += [2.0 if example.ai else -2.0 for example in examples]
    return Features(examples, np.full(len(examples), "clean"), values * 3 + 5)


KNOWN = drawn()


def test_the_head_takes_features_as_the_encoder_gives_them() -> None:
    answers = fit(KNOWN, 1.0)(KNOWN.values)

    assert ((answers > 0) == [example.ai for example in KNOWN.examples]).mean() > 0.95


def test_an_image_is_judged_by_a_head_that_has_not_seen_its_source() -> None:
    lied_about = [
        replace(example, ai=not example.ai) if example.source == "s3" else example
        for example in KNOWN.examples
    ]
    own = np.array([example.source == "s3" for example in KNOWN.examples])
    before = cross_fit(KNOWN, 0.1)
    after = cross_fit(replace(KNOWN, examples=lied_about), 0.1)

    assert after[own] == pytest.approx(before[own], abs=1e-3)
    assert np.abs(after - before)[~own].max() > 0.05


def test_a_strength_is_chosen_for_sources_that_were_not_seen() -> None:
    strength, answers = choose(KNOWN, (1e-9, 0.1))

    assert strength == 0.1
    assert answers == pytest.approx(cross_fit(KNOWN, 0.1))


def test_the_head_is_not_fitted_to_views_that_are_there_to_be_judged() -> None:
    lied_about = [replace(example, ai=not example.ai) for example in KNOWN.examples]
    judged = Features(lied_about, np.full(len(lied_about), "hard"), KNOWN.values)

    both = fit(joined([KNOWN, judged]), 1.0)
    assert both(KNOWN.values) == pytest.approx(fit(KNOWN, 1.0)(KNOWN.values))


def test_splits_are_joined_in_order() -> None:
    both = joined([KNOWN.take(np.array([1, 2])), KNOWN.take(np.array([0]))])

    assert [example.name for example in both.examples] == ["0-1", "0-2", "0-0"]
    assert both.values == pytest.approx(KNOWN.values[[1, 2, 0]])
