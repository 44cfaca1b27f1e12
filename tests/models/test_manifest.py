"""The weights' manifest: its version depends on everything that affects a verdict."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from models.manifest import WeightsError, load_manifest

Change = dict[str, Any]


def record(**changes: Any) -> dict[str, Any]:
    member = {
        "name": "cnn",
        "file": "cnn.xml",
        "sha256": "0" * 64,
        "view": "crops",
        "calibration": {"slope": 1.0, "intercept": 0.0},
    }
    return {**member, **changes}


def written(directory: Path, **changes: Any) -> Path:
    manifest = {
        "released": "2026-01-31",
        "members": [record()],
        "stack": {"weights": {"cnn": 1.0}, "intercept": 0.0},
        "thresholds": {"real": 0.25, "ai": 0.75},
    }
    (directory / "manifest.json").write_text(json.dumps({**manifest, **changes}))
    return directory


def test_the_version_names_the_day_and_the_content(tmp_path: Path) -> None:
    day, digest = load_manifest(written(tmp_path)).version.split(".")

    assert day == "2026-01-31"
    assert len(digest) == 8


@pytest.mark.parametrize(
    "change",
    [
        {"members": [record(sha256="1" * 64)]},
        {"members": [record(view="whole")]},
        {"members": [record(calibration={"slope": 1.5, "intercept": 0.0})]},
        {"stack": {"weights": {"cnn": 2.0}, "intercept": 0.0}},
        {"thresholds": {"real": 0.25, "ai": 0.8}},
    ],
    ids=["weights", "view", "calibration", "stack", "thresholds"],
)
def test_whatever_changes_verdicts_changes_the_version(tmp_path: Path, change: Change) -> None:
    before = load_manifest(written(tmp_path)).version

    assert load_manifest(written(tmp_path, **change)).version != before


def test_a_note_about_the_training_leaves_the_version_alone(tmp_path: Path) -> None:
    before = load_manifest(written(tmp_path)).version
    noted = written(tmp_path, members=[record(training={"seed": 7})])

    assert load_manifest(noted).version == before


@pytest.mark.parametrize(
    "change",
    [
        {"thresholds": {"real": 0.8, "ai": 0.2}},
        {"stack": {"weights": {"another": 1.0}, "intercept": 0.0}},
        {"members": []},
        {"members": [record(sha256="short")]},
        {"surprise": 1},
    ],
    ids=["thresholds crossed", "unknown member", "no members", "no digest", "unknown field"],
)
def test_a_manifest_that_cannot_be_is_refused(tmp_path: Path, change: Change) -> None:
    with pytest.raises(WeightsError, match="not a valid manifest"):
        load_manifest(written(tmp_path, **change))


def test_a_missing_manifest_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no manifest at"):
        load_manifest(tmp_path)


def test_reading_the_version_loads_no_runtime() -> None:
    script = (
        "import sys, models.manifest as m; m.load_manifest().version;"
        "heavy = {'numpy', 'PIL', 'openvino', 'keras', 'tensorflow'} & set(sys.modules);"
        "sys.exit(f'loads {heavy}' if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
