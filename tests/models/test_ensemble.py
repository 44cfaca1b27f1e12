"""The shipped ensemble, and the rule that combines its members."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models.ensemble import Ensemble, combine, label_of, sigmoid
from models.manifest import (
    WEIGHTS,
    Cascade,
    Manifest,
    MemberRecord,
    Scale,
    Stack,
    Thresholds,
    WeightsError,
    load_manifest,
)
from models.members import MEMBERS
from models.runtime import Runtime
from models.verdict import Label
from models.views import WHOLE, Pixels, View
from settings import CascadeMode
from tests.pictures import PHOTOGRAPHS, photograph


def member(name: str, slope: float = 1.0) -> MemberRecord:
    return MemberRecord(
        name=name,
        file=f"{name}.xml",
        sha256="0" * 64,
        view="any",
        calibration=Scale(slope=slope, intercept=0.5),
    )


LIGHT = {"cnn", "efficientnet", "efficientnet_art"}
MANIFEST = Manifest(
    released="2026-01-31",
    members=(member("a"), member("b", slope=2.0)),
    stack=Stack(weights={"a": 0.5, "b": 1.5}, intercept=-1.0),
    thresholds=Thresholds(real=0.2, ai=0.9),
)


@pytest.fixture(scope="module")
def ensemble() -> Ensemble:
    return Ensemble.load()


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(WEIGHTS, tmp_path / "weights"))


def test_logits_are_weighed_and_each_member_keeps_a_probability_of_its_own() -> None:
    result = combine(MANIFEST, {"a": 1.0, "b": 2.0})

    assert result.probability == pytest.approx(1 / (1 + math.exp(-2.5)))
    assert result.members == {
        "a": pytest.approx(1 / (1 + math.exp(-1.5))),
        "b": pytest.approx(1 / (1 + math.exp(-4.5))),
    }
    assert result.label is Label.AI


@pytest.mark.parametrize(
    ("probability", "label"),
    [
        (0.0, Label.REAL),
        (0.1999, Label.REAL),
        (0.2, Label.UNCERTAIN),
        (0.8999, Label.UNCERTAIN),
        (0.9, Label.AI),
        (1.0, Label.AI),
    ],
)
def test_the_thresholds_belong_to_the_label_above_them(probability: float, label: Label) -> None:
    assert label_of(probability, MANIFEST.thresholds) is label


class Opinion(Runtime):
    """A runtime with a constant logit that counts its calls."""

    def __init__(self, logit: float) -> None:
        self.asked = 0
        self._logit = logit

    def logit(self, views: Pixels) -> float:  # noqa: ARG002
        self.asked += 1
        return self._logit


CASCADE = MANIFEST.model_copy(
    update={
        "cascade": Cascade(
            stack=Stack(weights={"a": 1.0}, intercept=0.0),
            thresholds=Thresholds(real=0.3, ai=0.7),
            doubt=Thresholds(real=0.1, ai=0.9),
        )
    }
)


@pytest.mark.parametrize(
    ("cascade_mode", "light_logit", "runs_second", "label"),
    [
        ("auto", 3.0, 0, Label.AI),
        ("auto", -3.0, 0, Label.REAL),
        ("auto", 1.5, 1, Label.UNCERTAIN),
        ("never", 1.5, 0, Label.AI),
        ("never", 0.0, 0, Label.UNCERTAIN),
        ("always", 3.0, 1, Label.UNCERTAIN),
    ],
)
def test_the_strong_member_looks_when_it_is_told_to(
    cascade_mode: CascadeMode, light_logit: float, runs_second: int, label: Label
) -> None:
    light, strong = Opinion(light_logit), Opinion(0.5)
    members: dict[str, tuple[View, Runtime]] = {"a": (WHOLE, light), "b": (WHOLE, strong)}
    result = Ensemble(CASCADE, members, cascade_mode).classify(np.asarray(photograph()))

    assert (light.asked, strong.asked) == (1, runs_second)
    assert set(result.members) == ({"a", "b"} if runs_second else {"a"})
    assert result.label is label


def test_verdicts_of_another_cascade_mode_have_another_version() -> None:
    versions = {CASCADE.version_for(look) for look in ("auto", "always", "never")}

    assert len(versions) == 3
    assert MANIFEST.version_for("auto") == MANIFEST.version


def test_members_that_never_look_are_not_loaded(copied: Path) -> None:
    (copied / "clip.bin").unlink()

    assert set(Ensemble.load(copied, "never").logits(np.asarray(photograph()))) == LIGHT
    with pytest.raises(WeightsError, match="no weights at"):
        Ensemble.load(copied, "auto")


@pytest.mark.parametrize("logit", [-1e9, -1000.0, 0.0, 1000.0, 1e9])
def test_no_logit_is_too_large_for_a_probability(logit: float) -> None:
    assert 0 <= sigmoid(logit) <= 1


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_a_photograph_gets_one_result_from_those_that_decide(ensemble: Ensemble, name: str) -> None:
    pixels = np.asarray(photograph(name))
    result = ensemble.classify(pixels)

    assert set(result.members) == set(load_manifest().stack.weights)
    assert all(0 < p < 1 for p in (result.probability, *result.members.values()))
    assert ensemble.classify(pixels) == result


@pytest.mark.parametrize(
    "shape",
    [(64, 64, 3), (64, 10_000, 3), (10_000, 64, 3), (3000, 4000, 3)],
    ids=["tiny", "wide", "tall", "large"],
)
def test_an_image_of_one_colour_and_any_shape_is_judged(
    ensemble: Ensemble, shape: tuple[int, ...]
) -> None:
    assert 0 < ensemble.classify(np.full(shape, 127, np.uint8)).probability < 1


def test_an_array_that_is_no_copy_is_judged_as_its_copy_is(ensemble: Ensemble) -> None:
    mirrored: Pixels = np.asarray(photograph())[:, ::-1]

    assert ensemble.classify(mirrored) == ensemble.classify(np.ascontiguousarray(mirrored))


def test_the_ensemble_has_the_version_of_its_manifest(ensemble: Ensemble) -> None:
    assert ensemble.version == load_manifest().version


def test_a_damaged_file_of_weights_is_refused(copied: Path) -> None:
    file = copied / "clip.bin"
    file.write_bytes(file.read_bytes()[:-1] + b"?")

    with pytest.raises(WeightsError, match="does not match its SHA-256"):
        Ensemble.load(copied)


def test_a_missing_file_of_weights_is_said_plainly(copied: Path) -> None:
    (copied / "clip.xml").unlink()

    with pytest.raises(WeightsError, match="no weights at"):
        Ensemble.load(copied)


def test_weights_made_for_another_view_are_refused(copied: Path) -> None:
    manifest = copied / "manifest.json"
    manifest.write_text(manifest.read_text().replace(MEMBERS["clip"].view.name, "whole-of-old"))

    with pytest.raises(WeightsError, match="its view here is"):
        Ensemble.load(copied)


def test_judging_needs_neither_keras_nor_tensorflow() -> None:
    script = (
        "import sys, numpy; from models.ensemble import Ensemble;"
        "Ensemble.load().classify(numpy.zeros((64, 64, 3), numpy.uint8));"
        "heavy = {'keras', 'tensorflow', 'sklearn', 'training'} & set(sys.modules);"
        "sys.exit(f'loads {heavy}' if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
