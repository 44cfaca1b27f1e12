"""Heads: what they learn, and that their logits are out of fold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from models.networks import Head
from tests.training.drawn_features import Drawn
from training import features, kinds, recipes
from training.features import Features
from training.paths import Paths
from training.recipes import Logits, Recipe, Regression

STRENGTH = 0.1
BOTH = Recipe("both", (Regression((4,)), Regression((12,))))


@pytest.fixture
def known(drawn: Drawn) -> Features:
    return drawn.known


def test_the_head_takes_features_as_the_encoder_gives_them(known: Features) -> None:
    scaled = replace(known, values=known.values * 3 + 5)
    answers = recipes.fit(scaled, 1.0)(scaled.values)

    assert ((answers > 0) == [example.ai for example in known.examples]).mean() > 0.95


def test_a_recipe_is_one_head_over_the_blocks_that_a_member_reads(known: Features) -> None:
    head = recipes.fit_recipe(BOTH, known, (4, 6, 12))
    parts = [
        recipes.fit(known.at(part.depths))(known.at(part.depths).values) for part in BOTH.parts
    ]

    assert head(known.at((4, 6, 12)).values) == pytest.approx(np.mean(parts, axis=0), abs=1e-4)
    assert not head.weights[features.PER_DEPTH : 2 * features.PER_DEPTH].any()


def test_a_group_is_judged_by_a_fit_that_knows_nothing_of_it(known: Features, paths: Paths) -> None:
    groups = kinds.held_out(known.examples)
    own = groups == "art"
    lied_about = [
        replace(example, ai=not example.ai) if mine else example
        for example, mine in zip(known.examples, own, strict=True)
    ]
    before = Logits(known, paths).of(BOTH, groups, STRENGTH)
    other = replace(paths, runs=paths.runs / "other")
    after = Logits(replace(known, examples=lied_about), other).of(BOTH, groups, STRENGTH)

    assert after[own] == pytest.approx(before[own], abs=1e-3)
    assert np.abs(after - before)[(groups != "") & ~own].max() > 0.05
    assert np.isnan(before[groups == ""]).all()


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> list[Features]:
    """Records what heads were fitted to."""
    seen = []
    fit: Callable[[Features, float], Head] = recipes.fit

    def noting(known: Features, strength: float) -> Head:
        seen.append(known)
        return fit(known, strength)

    monkeypatch.setattr(recipes, "fit", noting)
    return seen


def test_a_head_is_fitted_to_what_it_asks_for(
    known: Features, paths: Paths, fitted: list[Features]
) -> None:
    half = np.where(np.arange(len(known.examples)) % 2, "clean", "web")
    known = replace(known, tiers=half)
    for part in (Regression((4,), older=False), Regression((4,), ("web",))):
        Logits(known, paths).of(Recipe("", (part,)), kinds.held_out(known.examples), STRENGTH)
    without, web = fitted[: len(fitted) // 2], fitted[len(fitted) // 2 :]

    assert {each.pack for part in without for each in part.examples} == {"modern"}
    assert {each.pack for part in web for each in part.examples} == {"modern", "images"}
    assert {each for part in web for each in part.tiers} == {"web"}


def test_what_was_fitted_is_kept(known: Features, paths: Paths, fitted: list[Features]) -> None:
    groups = recipes.folds(known.examples)
    recipe = Recipe("", (Regression((4,)),))
    first = Logits(known, paths).of(recipe, groups, STRENGTH)
    assert len(fitted) == recipes.FOLDS
    again = Logits(known, paths).of(recipe, groups, STRENGTH)
    assert len(fitted) == recipes.FOLDS
    Logits(known, paths).of(recipe, groups, 2 * STRENGTH)

    assert len(fitted) == 2 * recipes.FOLDS
    assert again == pytest.approx(first)


def test_no_owner_is_in_two_folds(known: Features) -> None:
    names = recipes.folds(known.examples)
    of_owner: dict[str, set[str]] = {}
    for example, name in zip(known.examples, names, strict=True):
        of_owner.setdefault(example.source.split("/")[0], set()).add(name)

    assert {len(each) for each in of_owner.values()} == {1}
    assert set(names) == {f"fold {number}" for number in range(1, recipes.FOLDS + 1)}


def test_splits_are_joined_in_order(known: Features) -> None:
    both = recipes.joined([known.take(np.array([1, 2])), known.take(np.array([0]))])

    assert [example.name for example in both.examples] == ["0-1", "0-2", "0-0"]
    assert both.values == pytest.approx(known.values[[1, 2, 0]])
