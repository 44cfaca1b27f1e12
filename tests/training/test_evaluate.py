"""The evaluation: known scores give known metrics, in every part and slice."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from models.manifest import Thresholds
from models.verdict import Label
from tests.training.synthetic import IMAGES, MANIFEST, STAGE, originals, predictions
from training.bootstrap import Estimate
from training.datasets.originals import Original
from training.datasets.originals import read as read_originals
from training.datasets.packs import Example
from training.evaluate import PARTS, evaluate
from training.paths import Paths
from training.predictions import ENSEMBLE, LIGHT, predict
from training.scores import Scores
from training.slices import WORST, cut, mistakes, write


def test_perfect_members_have_perfect_figures() -> None:
    found = evaluate(predictions(strength=40))["modern"]

    for measures in found["models"].values():
        assert measures["auc"] == pytest.approx((1, 1, 1))
        assert measures["tpr_at_95_tnr"].value == pytest.approx(1)
        assert measures["balanced_accuracy"].value == pytest.approx(1)
    assert found["labels"]["coverage"].value == pytest.approx(1)
    assert found["labels"]["selective_accuracy"].value == pytest.approx(1)


def test_members_that_know_nothing_have_the_figures_of_chance() -> None:
    found = evaluate(predictions(strength=0, sources=20))["modern"]["models"]

    for measures in found.values():
        value, low, high = measures["auc"]
        assert low < 0.5 < high
        assert value == pytest.approx(0.5, abs=0.1)


def test_every_member_of_the_manifest_and_the_ensemble_is_measured() -> None:
    models = evaluate(predictions(strength=2))["modern"]["models"]

    assert set(models) == {member.name for member in MANIFEST.members} | {ENSEMBLE, LIGHT}


def test_the_ensemble_s_lead_over_members_that_err_apart_is_sure() -> None:
    models = evaluate(predictions(strength=2, sources=20))["modern"]["models"]

    for member in MANIFEST.members:
        lead = models[member.name]["lead"]
        apart = models[ENSEMBLE]["auc"].value - models[member.name]["auc"].value
        assert lead.value == pytest.approx(apart)
        assert lead.low > 0
    assert "lead" not in models[ENSEMBLE]


def test_the_share_that_the_first_stage_decides_is_measured() -> None:
    images = predictions(strength=2)
    images.early[:] = images.ai

    assert evaluate(images)["modern"]["early"].value == pytest.approx(0.5)


def test_parts_hold_their_pack_and_corpus_alone() -> None:
    found = evaluate(predictions(strength=2, sources=3))

    assert set(found) == set(PARTS)
    assert found["modern"]["images"] == {"ai": 6 * IMAGES, "real": 6 * IMAGES}
    assert found["older art"]["sources"] == {"ai": 3, "real": 3}


def test_the_labels_of_a_truth_are_counted() -> None:
    labels = evaluate(predictions(strength=40, sources=3))["modern"]["labels"]

    assert labels["counts"]["ai"] == {"ai": 6 * IMAGES, "uncertain": 0, "real": 0}
    assert labels["counts"]["real"] == {"ai": 0, "uncertain": 0, "real": 6 * IMAGES}
    assert labels["real_called_ai"].value == labels["ai_called_real"].value == 0


def test_the_first_stage_decides_where_it_is_sure() -> None:
    known = [Example("modern", str(i), i % 2 == 0, "photo", f"s{i}", "") for i in range(8)]
    first = STAGE.model_copy(
        update={"weights": {"one": 1.0}, "doubt": Thresholds(real=0.2, ai=0.8)}
    )
    last = STAGE.model_copy(update={"weights": {"another": 1.0}})
    staged = MANIFEST.model_copy(update={"stages": (first, last)})
    logits = {"one": [5, -5, 5, 0, 0, 0, 0, 0], "another": [-5] * 8, "third": [0] * 8}
    scores = Scores(known, {name: np.array(each, float) for name, each in logits.items()})
    images = predict(staged, scores)

    assert images.early.tolist() == [True] * 3 + [False] * 5
    assert images.labels.tolist() == ["ai", "real", "ai"] + ["real"] * 5


def test_nothing_decided_has_no_accuracy() -> None:
    images = predictions(strength=2)
    images.labels[:] = Label.UNCERTAIN
    labels = evaluate(images)["modern"]["labels"]

    assert labels["coverage"].value == 0
    assert labels["selective_accuracy"] == Estimate(None)


def test_a_generator_that_is_never_found_stands_out() -> None:
    images = predictions(strength=10)
    hidden = np.array([example.generator == "generator 1" for example in images.examples])
    images.ensemble[hidden], images.labels[hidden] = 0.0, Label.REAL
    rows = {
        row["value"]: row
        for row in cut("clean", images, originals(images))
        if row["by"] == "generator" and row["pack"] == "modern" and row["truth"] == "ai"
    }

    assert rows["generator 0"]["auc"] > 0.99
    assert rows["generator 1"]["auc"] < 0.5
    assert rows["generator 1"]["called_real"] == 1
    assert rows["generator 1"]["real"] == rows["generator 1"]["images"] == 4 * IMAGES


def test_every_way_of_slicing_covers_every_image_once() -> None:
    images = predictions(strength=2)
    rows = cut("clean", images, originals(images))

    for by in ("generator", "source", "size", "format"):
        assert sum(row["images"] for row in rows if row["by"] == by) == len(images.examples)


def test_one_source_has_no_interval() -> None:
    images = predictions(strength=2)
    rows = [r for r in cut("clean", images, originals(images)) if r["by"] == "source"]

    assert all(row["called_ai_low"] is None and row["sources"] == 1 for row in rows)


def test_originals_are_classed_by_their_long_side() -> None:
    images = predictions(strength=2, sources=3)
    known = dict.fromkeys(originals(images), Original(400, 1024, "JPEG"))

    sizes = {row["value"] for row in cut("clean", images, known) if row["by"] == "size"}
    assert sizes == {"up to 1024 px"}


def test_the_worst_mistakes_are_the_surest_and_all_wrong() -> None:
    rows = [row for row in mistakes(predictions(strength=0, sources=10)) if row["pack"] == "modern"]

    sure = [abs(row["probability"] - 0.5) for row in rows]
    assert len(rows) == WORST
    assert sure == sorted(sure, reverse=True)
    assert all((row["probability"] >= 0.5) != (row["truth"] == "ai") for row in rows)


def test_a_table_leaves_empty_what_is_not_known(tmp_path: Path) -> None:
    write([{"name": "a", "low": None, "value": 0.12345}], tmp_path / "table.csv")

    with (tmp_path / "table.csv").open() as file:
        assert list(csv.DictReader(file)) == [{"name": "a", "low": "", "value": "0.123"}]


def test_what_originals_were_is_read_for_one_split_alone(paths: Paths) -> None:
    known = read_originals("val", paths.data)

    assert known["modern", "modern-val-ai-2.webp"] == Original(1200, 1400, "PNG")
    assert len(known) == 16
    assert all("-val-" in name for _, name in known)


def test_nothing_to_write_gives_an_empty_table(tmp_path: Path) -> None:
    write([], tmp_path / "mistakes.csv")

    assert (tmp_path / "mistakes.csv").read_text() == ""
