"""The shipped ensemble, and the rule that combines its members."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.ensemble import Ensemble, combine, decide, label_of, sigmoid
from models.manifest import (
    WEIGHTS,
    Manifest,
    MemberRecord,
    NetworkRecord,
    Scale,
    Stage,
    Thresholds,
    WeightsError,
    load_manifest,
)
from models.members import NETWORKS
from models.verdict import LEANS, Evidence, Label
from models.views import Pixels
from settings import CascadeMode
from tests.pictures import PHOTOGRAPHS, photograph


def member(name: str, slope: float = 1.0) -> MemberRecord:
    return MemberRecord(name=name, networks=(name,), calibration=Scale(slope=slope, intercept=0.5))


def network(name: str) -> NetworkRecord:
    return NetworkRecord(name=name, file=f"{name}.xml", sha256="0" * 64, input="any")


def stage(members: dict[str, float], doubt: Thresholds | None = None) -> Stage:
    return Stage(
        weights=members, intercept=-1.0, thresholds=Thresholds(real=0.3, ai=0.8), doubt=doubt
    )


DOUBT = Thresholds(real=0.1, ai=0.9)
MANIFEST = Manifest(
    released="2026-01-31",
    networks=(network("a"), network("b"), network("c")),
    members=(member("a"), member("b", slope=2.0), member("c")),
    light=stage({"a": 1.0}, DOUBT),
    stages=(stage({"b": 1.0}, DOUBT), stage({"b": 0.5, "c": 1.5})),
)


@pytest.fixture(scope="module")
def ensemble() -> Ensemble:
    return Ensemble.load()


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(WEIGHTS, tmp_path / "weights"))


def test_logits_are_weighed_and_each_member_keeps_a_probability_of_its_own() -> None:
    result = decide(MANIFEST, "always", {"b": 1.0, "c": 2.0}.__getitem__)

    assert result.probability == pytest.approx(1 / (1 + math.exp(-2.5)))
    assert result.members == {
        "b": pytest.approx(1 / (1 + math.exp(-2.5))),
        "c": pytest.approx(1 / (1 + math.exp(-2.5))),
    }
    assert result.label is Label.AI


@pytest.mark.parametrize(
    ("probability", "label"),
    [
        (0.0, Label.REAL),
        (0.2999, Label.REAL),
        (0.3, Label.UNCERTAIN),
        (0.7999, Label.UNCERTAIN),
        (0.8, Label.AI),
        (1.0, Label.AI),
    ],
)
def test_the_thresholds_belong_to_the_label_above_them(probability: float, label: Label) -> None:
    assert label_of(probability, MANIFEST.light.thresholds) is label


@pytest.mark.parametrize(
    ("mode", "logits", "asked", "label"),
    [
        ("always", {"b": 4.0}, ["b"], Label.AI),
        ("always", {"b": -2.0}, ["b"], Label.REAL),
        ("always", {"b": 2.5, "c": 2.0}, ["b", "c"], Label.AI),
        ("always", {"b": 2.5, "c": -2.0}, ["b", "c"], Label.REAL),
        ("auto", {"a": 4.0}, ["a"], Label.AI),
        ("auto", {"a": 1.0, "b": -2.0}, ["a", "b"], Label.REAL),
        ("auto", {"a": 1.0, "b": 1.0, "c": 0.5}, ["a", "b", "c"], Label.UNCERTAIN),
        ("never", {"a": 1.0}, ["a"], Label.UNCERTAIN),
        ("never", {"a": 2.5}, ["a"], Label.AI),
    ],
)
def test_a_stage_is_asked_only_if_those_before_it_doubt(
    mode: CascadeMode, logits: dict[str, float], asked: list[str], label: Label
) -> None:
    order: list[str] = []

    def ask(name: str) -> float:
        order.append(name)
        return logits[name]

    result = decide(MANIFEST, mode, ask)

    assert order == asked
    assert list(result.members) == asked
    assert result.label is label


def test_verdicts_of_another_cascade_mode_have_another_version() -> None:
    versions = {MANIFEST.version_for(mode) for mode in ("auto", "always", "never")}

    assert len(versions) == 3
    assert MANIFEST.version_for("always") == MANIFEST.version


def test_members_that_never_look_are_not_loaded(copied: Path) -> None:
    (copied / "clip_lower.bin").unlink()

    result = Ensemble.load(copied, "never").classify(np.asarray(photograph()))
    assert set(result.members) == set(load_manifest().light.weights)
    with pytest.raises(WeightsError, match="no weights at"):
        Ensemble.load(copied, "auto")


@pytest.mark.parametrize("logit", [-1e9, -1000.0, 0.0, 1000.0, 1e9])
def test_no_logit_is_too_large_for_a_probability(logit: float) -> None:
    assert 0 <= sigmoid(logit) <= 1


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_a_photograph_gets_one_result_from_those_that_decide(ensemble: Ensemble, name: str) -> None:
    pixels = np.asarray(photograph(name))
    result = ensemble.classify(pixels)

    assert list(result.members) in (["clip_shallow"], ["clip_shallow", "clip"])
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
    file = copied / "clip_upper.bin"
    file.write_bytes(file.read_bytes()[:-1] + b"?")

    with pytest.raises(WeightsError, match="does not match its SHA-256"):
        Ensemble.load(copied)


def test_a_missing_file_of_weights_is_said_plainly(copied: Path) -> None:
    (copied / "clip_lower.xml").unlink()

    with pytest.raises(WeightsError, match="no weights at"):
        Ensemble.load(copied)


def test_weights_made_for_another_view_are_refused(copied: Path) -> None:
    manifest = copied / "manifest.json"
    manifest.write_text(manifest.read_text().replace(NETWORKS["clip_lower"].takes, "whole-of-old"))

    with pytest.raises(WeightsError, match="its input here is"):
        Ensemble.load(copied)


def test_the_seconds_of_each_member_that_is_asked_are_told(ensemble: Ensemble) -> None:
    told: dict[str, float] = {}
    ensemble.on_inference = told.__setitem__
    result = ensemble.classify(np.asarray(photograph()))

    assert list(told) == list(result.members)
    assert min(told.values()) > 0


def test_judging_needs_neither_keras_nor_tensorflow() -> None:
    script = (
        "import sys, numpy; from models.ensemble import Ensemble;"
        "Ensemble.load().classify(numpy.zeros((64, 64, 3), numpy.uint8));"
        "heavy = {'keras', 'tensorflow', 'sklearn', 'training'} & set(sys.modules);"
        "sys.exit(f'loads {heavy}' if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


# Evidence and pixels


def fact(
    kind: str = "c2pa", says: str = "ai", origin: str | None = None, **more: object
) -> Evidence:
    fields = {"kind": kind, "says": says, "detail": "", "trusted": False, "origin": origin, **more}
    return Evidence.model_validate(fields)


def signed(origin: str, says: str = "ai") -> Evidence:
    return fact(says=says, origin=origin, trusted=True)


CAPTURED = signed("captured", "real")
MARKS = [fact("generator_metadata"), fact("iptc")]
PIXELS = {"real": 0.1, "leans real": 0.3, "none": 0.5, "leans ai": 0.7, "ai": 0.9}


@pytest.mark.parametrize(
    ("evidence", "labels"),
    [
        pytest.param([], "real uncertain uncertain uncertain ai", id="none"),
        pytest.param([signed("generated")], "ai ai ai ai ai", id="a trusted generator"),
        pytest.param([signed("generated"), fact("iptc", "real")], "ai ai ai ai ai", id="contested"),
        pytest.param([signed("edited_with_ai")], "uncertain uncertain ai ai ai", id="AI edits"),
        pytest.param([signed("composite_with_ai")], "uncertain uncertain ai ai ai", id="AI parts"),
        pytest.param([CAPTURED], "real real real uncertain uncertain", id="a trusted camera"),
        pytest.param(
            [CAPTURED, fact("iptc")], "real uncertain uncertain uncertain ai", id="camera and mark"
        ),
        pytest.param(
            [signed("created", "real")], "real uncertain uncertain uncertain ai", id="human edits"
        ),
        pytest.param(MARKS[:1], "real uncertain uncertain ai ai", id="settings"),
        pytest.param(MARKS[1:], "real uncertain uncertain ai ai", id="source type"),
        pytest.param(
            [fact(origin="generated")], "real uncertain uncertain uncertain ai", id="unknown signer"
        ),
        pytest.param(
            [fact(says="real", origin="captured")],
            "real uncertain uncertain uncertain ai",
            id="unknown camera",
        ),
        pytest.param(
            [fact("iptc", "real")], "real uncertain uncertain uncertain ai", id="unsigned capture"
        ),
    ],
)
def test_the_rule_of_evidence_and_pixels(evidence: list[Evidence], labels: str) -> None:
    thresholds = Thresholds(real=0.2, ai=0.8)
    for probability, expected in zip(PIXELS.values(), labels.split(), strict=True):
        pixels = label_of(probability, thresholds)
        label, decided_by = combine(pixels, probability, evidence)
        assert label == expected, probability
        assert (label is pixels) or decided_by != "pixels"
        if not evidence:
            assert decided_by == "pixels"


@settings(max_examples=300)
@given(
    st.lists(
        st.builds(
            fact,
            st.sampled_from(["c2pa", "iptc", "generator_metadata", "new"]),
            st.sampled_from(["ai", "real"]),
            st.sampled_from([None, "captured", "created", "edited_with_ai", "generated"]),
        ),
        max_size=5,
    ),
    st.floats(0, 1),
)
def test_no_unsigned_evidence_turns_a_label_round(
    forged: list[Evidence], probability: float
) -> None:
    pixels = label_of(probability, Thresholds(real=0.2, ai=0.8))
    label, _ = combine(pixels, probability, forged)
    assert label in (pixels, Label.AI)
    assert label is pixels or probability >= LEANS
