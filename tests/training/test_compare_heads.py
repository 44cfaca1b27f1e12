"""Comparison of heads: fits are out of fold, and the right figures are compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from training import compare_heads, features, kinds, probe
from training.compare_heads import Groups, Head, Logits, Measures, Recipe
from training.datasets.packs import Example
from training.features import DEPTHS, Features
from training.metrics import Floats
from training.paths import Paths

KINDS = ("gallery", "portfolio", "quiz", "art", "game", "builder", "stock")
SOURCES, EACH = 42, 4
RECIPES = (Recipe("shallow", (Head((4,)),)), Recipe("both", (Head((4,)), Head((12,)))))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two features per block, and kinds for the synthetic sources."""
    monkeypatch.setattr(features, "PER_DEPTH", 2)
    table = {f"owner{i // 2}/s{i}": KINDS[i // 2 % len(KINDS)] for i in range(SOURCES)}
    monkeypatch.setattr(kinds, "read", lambda: table)


def drawn() -> Features:
    """Two sources per owner, one of each label. The last block predicts the label best."""
    rng = np.random.default_rng(0)
    examples = [
        Example("modern", f"{i}-{j}", i % 2 == 0, "photo", f"owner{i // 2}/s{i}", "")
        for i in range(SOURCES)
        for j in range(EACH)
    ]
    examples += [Example("images", f"old{i}", i % 2 == 0, "art", f"old{i}", "") for i in range(8)]
    side = np.array([1.0 if example.ai else -1.0 for example in examples])
    values = rng.normal(size=(len(examples), 2 * len(DEPTHS)))
    values[:, 0] += 0.5 * side
    values[:, -1] += 2.5 * side
    return Features(examples, np.full(len(examples), "clean"), values.astype(np.float32))


KNOWN = drawn()


def test_a_group_is_judged_by_a_fit_that_knows_nothing_of_it(paths: Paths) -> None:
    groups = kinds.held_out(KNOWN.examples)
    own = groups == "art"
    lied_about = [
        replace(example, ai=not example.ai) if mine else example
        for example, mine in zip(KNOWN.examples, own, strict=True)
    ]
    before = Logits(KNOWN, paths).of(RECIPES[1], 0.1, groups)
    other = replace(paths, runs=paths.runs / "other")
    after = Logits(replace(KNOWN, examples=lied_about), other).of(RECIPES[1], 0.1, groups)

    assert after[own] == pytest.approx(before[own], abs=1e-3)
    assert np.abs(after - before)[(groups != "") & ~own].max() > 0.05
    assert np.isnan(before[groups == ""]).all()


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> list[Features]:
    """Records what heads were fitted to."""
    seen = []
    fit: Callable[[Features, float], probe.Head] = probe.fit

    def noting(known: Features, strength: float) -> probe.Head:
        seen.append(known)
        return fit(known, strength)

    monkeypatch.setattr(probe, "fit", noting)
    return seen


def test_a_head_is_fitted_to_what_it_asks_for(paths: Paths, fitted: list[Features]) -> None:
    heads = (Head((4,), older=False), Head((4,), ("augmented-1",)))
    half = np.where(np.arange(len(KNOWN.examples)) % 2, "clean", "augmented-1")
    known = replace(KNOWN, conditions=half)
    for head in heads:
        Logits(known, paths).of(Recipe("", (head,)), 0.1, kinds.held_out(KNOWN.examples))
    without, augmented = fitted[: len(fitted) // 2], fitted[len(fitted) // 2 :]

    assert {each.pack for part in without for each in part.examples} == {"modern"}
    assert {each.pack for part in augmented for each in part.examples} == {"modern", "images"}
    assert {each for part in augmented for each in part.conditions} == {"augmented-1"}


def test_what_was_fitted_is_kept(paths: Paths, fitted: list[Features]) -> None:
    groups = compare_heads.folds(KNOWN.examples)
    first = Logits(KNOWN, paths).of(RECIPES[0], 0.1, groups)
    assert len(fitted) == compare_heads.FOLDS
    again = Logits(KNOWN, paths).of(RECIPES[0], 0.1, groups)
    assert len(fitted) == compare_heads.FOLDS
    Logits(KNOWN, paths).of(RECIPES[0], 0.2, groups)

    assert len(fitted) == 2 * compare_heads.FOLDS
    assert again == pytest.approx(first, nan_ok=True)


def test_no_owner_is_in_two_folds() -> None:
    names = compare_heads.folds(KNOWN.examples)
    of_owner: dict[str, set[str]] = {}
    for example, name in zip(KNOWN.examples, names, strict=True):
        if example.pack == "modern":
            of_owner.setdefault(example.source.split("/")[0], set()).add(name)

    assert {len(each) for each in of_owner.values()} == {1}
    assert set(names) == {"", *(f"fold {number}" for number in range(1, compare_heads.FOLDS + 1))}


def test_groups_weigh_the_same() -> None:
    small, large = (Measures(np.array([auc, auc]), np.array([0.5, 0.5, 0.5])) for auc in (0.5, 1.0))

    assert compare_heads.mean([small, large]).auc[0] == pytest.approx(0.75)
    assert len(compare_heads.mean([small, large]).tpr) == 2


class Scripted(Logits):
    """Logits that are perfect for one strength on folds, and for another strength on kinds."""

    def __init__(self) -> None:
        self.ai = np.array([example.ai for example in KNOWN.examples], float)

    def of(self, recipe: Recipe, strength: float, groups: Groups) -> Floats:  # noqa: ARG002
        on_kinds = "art" in groups
        noise = np.random.default_rng(0).normal(size=len(groups))
        return self.ai if on_kinds == (strength == 1.0) else self.ai + noise


def test_the_strength_is_chosen_on_kinds_that_were_not_seen() -> None:
    tried = [
        compare_heads.evaluate(recipe, strength, KNOWN, Scripted())
        for recipe in RECIPES
        for strength in (0.1, 1.0)
    ]
    text = compare_heads.report(tried, "# Title")
    overall, *_ = (line for line in text.splitlines() if line.startswith("| shallow |"))

    assert tried[1].held_out_kinds("clean").auc[0] == 1.0
    assert tried[0].random["clean"].auc[0] == 1.0
    assert overall.startswith("| shallow | 1.0 | 0.")
    assert "1.000 [1.00, 1.00]" in overall
    assert text.count("| both |") == 5


def test_deeper_is_better_where_the_deep_block_tells_more(paths: Paths) -> None:
    logits = Logits(KNOWN, paths)
    shallow, both = (compare_heads.evaluate(recipe, 0.1, KNOWN, logits) for recipe in RECIPES)
    gain = both.held_out_kinds("clean").less(shallow.held_out_kinds("clean"))

    assert gain.auc[0] > 0.1
    assert both.random["clean"].auc[0] > shallow.random["clean"].auc[0]


def test_the_command_writes_what_follows_from_the_choice(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = np.arange(len(KNOWN.examples)) % 2 == 0
    parts = {"train": KNOWN.take(np.flatnonzero(half)), "val": KNOWN.take(np.flatnonzero(~half))}
    monkeypatch.setattr(features, "load", lambda split, _: parts[split])
    monkeypatch.setattr(compare_heads, "RECIPES", RECIPES)
    options = ["--data", str(paths.data), "--runs", str(paths.runs), "--report", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["compare_heads", *options, "--strengths", "0.1"])
    compare_heads.main()
    written = (tmp_path / "choice.md").read_text()

    assert "The best recipe on held-out kinds: both." in written
    assert "classified by: shallow." in written
    assert "| folds | kinds | clean | photo |" in written
    assert "| kinds | 0.8 |" in written
