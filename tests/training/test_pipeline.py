"""The whole pipeline, from images to the report, with networks that are small."""

from __future__ import annotations

import json
import re
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from models.ensemble import Ensemble
from models.manifest import load_manifest
from models.members import MEMBERS
from models.quality import Quality
from tests.pictures import photograph
from tests.training.small_network import ENCODER_WIDTH, make_narrow, make_small
from training import audits, calibrate, export, features, kinds, parts, recipes
from training.__main__ import STEPS
from training.paths import Paths
from training.train import Config, train

# Keras saves weights in a way that NumPy 2 warns about.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CONFIG = Config(
    member="cnn",
    seed=1,
    epochs=1,
    images_per_epoch=8,
    batch=4,
    peak_rate=1e-3,
    weight_decay=0.0,
    distilled=True,
)
NAMES = ("cnn", "clip_shallow", "clip")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small networks and few folds. Each split has four sources of two owners."""
    make_small(monkeypatch)
    make_narrow(monkeypatch)
    for module in (features, recipes):
        monkeypatch.setattr(module, "PER_DEPTH", 2 * ENCODER_WIDTH)
    monkeypatch.setattr(features, "WIDTH", len(features.DEPTHS) * 2 * ENCODER_WIDTH)
    monkeypatch.setattr(export, "MEMBERS", {name: MEMBERS[name] for name in NAMES})
    monkeypatch.setattr(export, "PARITY_IMAGES", 2)
    monkeypatch.setattr(recipes, "FOLDS", 2)
    monkeypatch.setattr(calibrate, "FOLDS", 4)  # One source each, so both labels are always left.
    monkeypatch.setattr(audits, "PERMUTATIONS", 4)
    monkeypatch.setattr(parts, "IMAGES", 4)
    monkeypatch.setattr(parts, "PATCHES", 8)
    monkeypatch.setattr(kinds, "read", lambda: KINDS)


KINDS = {
    f"modern/{split}-{label}-{corpus}": "art" if corpus == "art" else kind
    for split in ("train", "val")
    for label, kind in (("ai", "builder"), ("real", "stock"))
    for corpus in ("photo", "art")
}


@pytest.mark.usefixtures("small")
def test_the_road_leads_from_images_to_a_report(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights, folder = tmp_path / "weights", tmp_path / "report"
    folder.mkdir()
    places = {
        "features": [],
        "probe": [],
        "export": ["--weights", weights],
        "report": ["--weights", weights, "--report", folder],
    }
    places |= dict.fromkeys(("contributions", "evaluate"), places["report"])
    places |= dict.fromkeys(("calibrate", "parts"), places["export"])
    for module, *options in STEPS:
        if module == "train":
            train(CONFIG, paths)
            continue
        given = [*options, "--data", paths.data, "--runs", paths.runs, *places[module]]
        monkeypatch.setattr("sys.argv", [module, *map(str, given)])
        import_module(f"training.{module}").main()
    figures = json.loads((folder / "metrics.json").read_text())
    counts = figures["tiers"]["clean"]["modern"]["labels"]["counts"]
    text = (folder / "report.md").read_text()
    ensemble = Ensemble.load(weights)
    result = ensemble.classify(np.asarray(photograph()))

    assert figures["split"] == "test"
    assert sum(counts["ai"].values()) == sum(counts["real"].values()) == 4
    assert load_manifest(weights).version in text
    shipped = Quality.load(weights)
    assert shipped is not None
    assert shipped.version == load_manifest(weights).version
    assert sum(each.images for each in shipped.reliability) == 8
    assert set(re.findall(r"\]\(([^)]+)\)", text)) == {
        path.name
        for path in folder.iterdir()
        if path.suffix == ".png" or path.name in ("contributions.md", "training-cnn.csv")
    }
    assert set(result.members) <= {"clip_shallow", "clip"}
    assert ensemble.map_parts(np.asarray(photograph())).shape == (4, 4)
