"""The weights' manifest: its version depends on everything that affects a verdict."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from models import manifest
from models.manifest import WeightsError, load_manifest

Change = dict[str, Any]


def record(**changes: Any) -> dict[str, Any]:
    network = {"name": "cnn", "file": "cnn.xml", "sha256": "0" * 64, "input": "crops"}
    return {**network, **changes}


def member(**changes: Any) -> dict[str, Any]:
    known = {
        "name": "cnn",
        "networks": ["cnn"],
        "calibration": {"slope": 1.0, "intercept": 0.0},
        "head": {"file": "cnn.npy", "sha256": "0" * 64},
    }
    return {**known, **changes}


def stage(**changes: Any) -> dict[str, Any]:
    known = {
        "weights": {"cnn": 1.0},
        "intercept": 0.0,
        "thresholds": {"real": 0.25, "ai": 0.75},
        "doubt": {"real": 0.1, "ai": 0.9},
    }
    return {**known, **changes}


def written(directory: Path, **changes: Any) -> Path:
    manifest = {
        "released": "2026-01-31",
        "networks": [record()],
        "members": [member()],
        "light": stage(),
        "stages": [stage()],
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
        {"networks": [record(sha256="1" * 64)]},
        {"networks": [record(input="whole")]},
        {"members": [member(calibration={"slope": 1.5, "intercept": 0.0})]},
        {"members": [member(head={"file": "cnn.npy", "sha256": "1" * 64})]},
        {"light": stage(weights={"cnn": 2.0})},
        {"stages": [stage(thresholds={"real": 0.25, "ai": 0.8})]},
        {"stages": [stage(doubt=None)]},
    ],
    ids=["weights", "input", "calibration", "head", "combination", "thresholds", "doubt"],
)
def test_whatever_changes_verdicts_changes_the_version(tmp_path: Path, change: Change) -> None:
    before = load_manifest(written(tmp_path)).version

    assert load_manifest(written(tmp_path, **change)).version != before


def test_a_new_rule_of_evidence_changes_the_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = load_manifest(written(tmp_path)).version
    monkeypatch.setattr(manifest, "RULE", manifest.RULE + 1)

    assert load_manifest(written(tmp_path)).version != before


def test_a_note_about_the_training_leaves_the_version_alone(tmp_path: Path) -> None:
    before = load_manifest(written(tmp_path)).version
    noted = written(
        tmp_path,
        members=[member(training={"seed": 7})],
        networks=[record(parity={"max": 0.1})],
    )

    assert load_manifest(noted).version == before


@pytest.mark.parametrize(
    "change",
    [
        {"light": stage(thresholds={"real": 0.8, "ai": 0.2})},
        {"stages": [stage(weights={"another": 1.0})]},
        {"members": []},
        {"networks": []},
        {"stages": []},
        {"members": [member(networks=["another"])]},
        {"networks": [record(sha256="short")]},
        {"surprise": 1},
    ],
    ids=[
        "thresholds crossed",
        "unknown member",
        "no members",
        "no networks",
        "no stages",
        "unknown network",
        "no digest",
        "unknown field",
    ],
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
