"""The report for known metrics."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.training.synthetic import MANIFEST, originals, predictions
from training import plots, slices
from training.acceptance_targets import FLIPS, TARGETS
from training.evaluate import evaluate
from training.paths import Paths
from training.report import report

NO_PATHS = Paths(Path("gone"), Path("gone"))


def figures(folder: Path, strength: float, **more: object) -> dict[str, Any]:
    """Evaluate synthetic predictions like `training.evaluate`, and return the metrics."""
    images = predictions(strength)
    slices.write(slices.cut("clean", images, originals(images)), folder / "slices.csv")
    slices.write(slices.mistakes(predictions(0)), folder / "mistakes.csv")
    same = {"flips": 0.01, "changes": 0.05, "moves": 0.02}
    measured = {
        "version": MANIFEST.version,
        "split": "test",
        "tiers": {tier: evaluate(images) for tier in ("clean", "web", "hard")},
        "audits": {
            "invariance": {
                "images": 60,
                "judgements": 60,
                "flips": [0.01, 0.0, 0.02],
                "changes": [0.05, 0.01, 0.1],
                "variants": {"PNG": same},
            },
            "metadata": {"r2": 0.2, "r2_control": 0.0, "predicted_auc": 0.6, "label_auc": 0.7},
        },
    }
    return dict(json.loads(json.dumps(measured | more)))


def written(folder: Path) -> list[str]:
    return (folder / "report.md").read_text().splitlines()


def _title(measure: str) -> str:
    return next(target.title for target in TARGETS if target.measure == measure)


def row(folder: Path, title: str) -> str:
    return next(line for line in written(folder) if line.startswith(f"| {title} |"))


def test_a_missed_target_is_marked(tmp_path: Path) -> None:
    report(MANIFEST, figures(tmp_path, strength=0), NO_PATHS, tmp_path)

    for title in (_title("ai_called_ai"), _title("coverage")):
        assert row(tmp_path, title).count("**missed**") == 3
    assert "missed" not in row(tmp_path, "AUC"), "it has no target"


def test_a_target_that_is_met_is_marked(tmp_path: Path) -> None:
    report(MANIFEST, figures(tmp_path, strength=40), NO_PATHS, tmp_path)

    for title in (_title("real_called_ai"), _title("coverage")):
        assert row(tmp_path, title).count(", met") == 3
        assert "missed" not in row(tmp_path, title)


def test_the_audits_have_targets(tmp_path: Path) -> None:
    report(MANIFEST, figures(tmp_path, strength=2), NO_PATHS, tmp_path)
    text = "\n".join(written(tmp_path))

    assert re.search(rf"0\.010 \[0\.00, 0\.02\] \(target ≤ {FLIPS}:\smet\)", text)
    assert "| 0.200 | 0.000 | 0.600 | 0.700 | **missed** |" in text


def test_an_undefined_value_does_not_meet_its_target() -> None:
    target = next(target for target in TARGETS if target.measure == "selective_accuracy")

    assert target.met("hard", None) is False


def test_the_report_says_which_weights_were_measured(tmp_path: Path) -> None:
    report(MANIFEST, figures(tmp_path, strength=2), NO_PATHS, tmp_path)

    assert f"Model version `{MANIFEST.version}`, evaluated on `test`." in written(tmp_path)


def test_the_report_refuses_figures_of_other_weights(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="figures of another"):
        report(
            MANIFEST,
            figures(tmp_path, strength=2, version="another"),
            NO_PATHS,
            tmp_path,
        )


def test_every_mistake_is_named_by_its_origin(tmp_path: Path) -> None:
    report(MANIFEST, figures(tmp_path, strength=2), NO_PATHS, tmp_path)
    mistakes = [each for each in slices.mistakes(predictions(0)) if each["pack"] == "modern"]

    for each in mistakes:
        assert f"| {each['source']} | {each['name']} |" in "\n".join(written(tmp_path))


def test_every_plot_is_drawn_and_small(tmp_path: Path) -> None:
    tiers = {tier: predictions(2) for tier in ("clean", "web", "hard")}
    plots.draw(tiers, tmp_path)

    files = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert set(files) == {
        "roc.png",
        "confusion.png",
        "confidence.png",
        "sources.png",
    }
    assert sum(files.values()) < 600_000
