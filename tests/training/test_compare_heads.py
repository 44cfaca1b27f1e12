"""Comparison of heads: the right figures are compared, and the choice follows held-out kinds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.training.drawn_features import Drawn
from training import compare_heads, features
from training.compare_heads import Measures
from training.features import Features
from training.metrics import Floats
from training.paths import Paths
from training.recipes import Groups, Logits, Recipe, Regression

SHALLOW, DEEP = Regression((4,)), Regression((12,))
RECIPES = (Recipe("shallow", (SHALLOW,)), Recipe("both", (SHALLOW, DEEP)))


def test_groups_weigh_the_same() -> None:
    small, large = (Measures(np.array([auc, auc]), np.array([0.5, 0.5, 0.5])) for auc in (0.5, 1.0))

    assert compare_heads.mean([small, large]).auc[0] == pytest.approx(0.75)
    assert len(compare_heads.mean([small, large]).tpr) == 2


class Scripted(Logits):
    """Logits that are perfect for one strength on folds, and for another strength on kinds."""

    def __init__(self, known: Features) -> None:
        self._known = known

    def of(self, recipe: Recipe, groups: Groups, strength: float = 1.0) -> Floats:  # noqa: ARG002
        ai = np.array([example.ai for example in self._known.examples], float)
        on_kinds = "art" in groups
        noise = np.random.default_rng(0).normal(size=len(groups))
        return ai if on_kinds == (strength == 1.0) else ai + noise


def test_the_strength_is_chosen_on_kinds_that_were_not_seen(drawn: Drawn) -> None:
    tried = [
        compare_heads.evaluate(recipe, strength, drawn.known, Scripted(drawn.known))
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


def test_deeper_is_better_where_the_deep_block_tells_more(drawn: Drawn, paths: Paths) -> None:
    logits = Logits(drawn.known, paths)
    shallow, both = (compare_heads.evaluate(recipe, 0.1, drawn.known, logits) for recipe in RECIPES)
    gain = both.held_out_kinds("clean").less(shallow.held_out_kinds("clean"))

    assert gain.auc[0] > 0.1
    assert both.random["clean"].auc[0] > shallow.random["clean"].auc[0]


def test_the_command_writes_what_follows_from_the_choice(
    drawn: Drawn, paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = np.arange(len(drawn.known.examples)) % 2 == 0
    parts = {
        "train": drawn.known.take(np.flatnonzero(half)),
        "val": drawn.known.take(np.flatnonzero(~half)),
    }
    monkeypatch.setattr(features, "load", lambda split, _: parts[split])
    monkeypatch.setattr(compare_heads, "RECIPES", RECIPES)
    options = ["--data", str(paths.data), "--runs", str(paths.runs), "--report", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["compare_heads", *options, "--strengths", "0.1"])
    compare_heads.main()
    written = (tmp_path / "choice.md").read_text()

    assert "The recipe: both." in written
    assert "classified by: shallow." in written
    assert "| folds | kinds | clean | photo |" in written
    assert "| kinds | 0.8 |" in written
