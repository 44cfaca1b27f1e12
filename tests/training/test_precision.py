"""What faster arithmetic costs: heads that stay the same read the features of both precisions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.members import MEMBERS
from models.networks import Floats, Loaded, LoadedNetwork
from models.processor import Precision
from models.views import WHOLE, Pixels
from tests.training.drawn_features import Drawn
from training import kinds, precision
from training.features import PER_DEPTH, Features
from training.paths import Paths
from training.recipes import Logits, Recipe, Regression

RECIPES = {
    "clip_shallow": Recipe("shallow", (Regression((6,)),)),
    "clip": Recipe("both", (Regression((6,)), Regression((6, 12)))),
}


@pytest.fixture
def known(drawn: Drawn, monkeypatch: pytest.MonkeyPatch) -> Features:
    """Modern images, of which the last block alone tells something."""
    monkeypatch.setattr(precision, "SHIPPED", RECIPES)
    modern = [example.pack == "modern" for example in drawn.known.examples]
    return drawn.known.take(np.flatnonzero(modern))


def noisy(known: Features) -> Features:
    noise = 3 * np.random.default_rng(1).normal(size=known.values.shape)
    return replace(known, values=(known.values + noise).astype(np.float32))


def test_the_heads_are_those_of_the_base_and_out_of_fold(known: Features, paths: Paths) -> None:
    groups = kinds.held_out(known.examples)
    one, two = precision.out_of_fold(known, (known, noisy(known)), groups)

    for name, recipe in RECIPES.items():
        assert one[name] == pytest.approx(Logits(known, paths).of(recipe, groups), abs=1e-3)
    auc, tpr, gain, _ = precision.gains(known, groups, one["clip"], one["clip"])
    assert gain == "0.000 [0.00, 0.00]"
    noisy_auc, *_ = precision.gains(known, groups, two["clip"], two["clip"])
    assert float(noisy_auc.split()[0]) < float(auc.split()[0]) - 0.05
    assert 0 <= float(tpr.split()[0]) <= 1


class Counting:
    """A network whose features all have one value. It counts its runs."""

    def __init__(self, value: float, features: int) -> None:
        self.runs = 0
        self._features = np.full((1, features), value, np.float32)

    def run(self, given: Pixels | Floats) -> list[Floats]:  # noqa: ARG002
        self.runs += 1
        return [self._features, np.zeros((1, 1, 1), np.float32)]


def test_an_image_is_seen_once_and_the_features_are_where_heads_look_for_them(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    lower, upper = Counting(1.0, 3 * PER_DEPTH), Counting(2.0, 2 * PER_DEPTH)
    networks = {
        "clip_lower": LoadedNetwork(WHOLE, lower),
        "clip_upper": LoadedNetwork("clip_lower", upper),
    }
    monkeypatch.setattr(precision, "encoder", lambda *_: Loaded(networks, {}))

    for most, images in ((1, 8), (2, 12), (2, 12)):
        found = precision.features("int8", most, paths, Path())
        assert len(found.examples) == images == lower.runs == upper.runs
    assert {example.pack for example in found.examples} == {"modern"}
    for depth in MEMBERS["clip"].depths:
        assert (found.at((depth,)).values == (1.0 if depth <= 8 else 2.0)).all()
    assert not found.at((9,)).values.any()


def test_the_command_says_what_changes(
    known: Features, paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def features(asked: Precision, *_: object) -> Features:
        return known if asked == "f32" else noisy(known)

    monkeypatch.setattr(precision, "features", features)
    options = ["--data", str(paths.data), "--runs", str(paths.runs), "--report", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["precision", *options, "--base", "f32"])
    precision.main()
    written = (tmp_path / "precision.md").read_text()

    assert "--base f32 --other int8 --most 8" in written
    for row in ("`clip_shallow`, folds", "`clip`, kinds", "`f32`", "`int8`"):
        assert f"| {row} |" in written
    assert "of the labels change" in written
