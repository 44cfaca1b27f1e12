"""The export: files of networks and heads that the production code loads."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from models import networks
from models.ensemble import Ensemble
from models.manifest import load_manifest
from models.members import MEMBERS, NETWORKS
from models.networks import Head
from tests.pictures import photograph
from tests.training.small_network import ENCODER_WIDTH, make_narrow, make_small
from training import export
from training.paths import Paths

# Keras saves weights in a way that NumPy 2 warns about.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

NAMES = ("cnn", "clip_shallow", "clip")


@pytest.fixture
def trained(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A small network and a narrow encoder with random weights, and heads."""
    make_small(monkeypatch)
    make_narrow(monkeypatch)
    for name in NAMES:
        paths.run(name).mkdir(parents=True)
        (paths.run(name) / "training.json").write_text(json.dumps({"seed": 1}))
    NETWORKS["cnn"].build().save_weights(paths.run("cnn") / "final.weights.h5")
    write_heads(paths, 0.05)
    return paths


def write_heads(paths: Paths, size: float) -> None:
    for name in ("clip_shallow", "clip"):
        width = len(MEMBERS[name].depths) * 2 * ENCODER_WIDTH
        head = Head(np.linspace(-size, size, width, dtype=np.float32), 0.1)
        (paths.run(name) / "head.npy").write_bytes(head.to_bytes())


def exported(paths: Paths, folder: Path) -> dict[str, bytes]:
    keras.utils.set_random_seed(1)
    export.export({name: MEMBERS[name] for name in NAMES}, paths, folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_is_exported_can_be_loaded_and_keeps_its_promises(
    trained: Paths, tmp_path: Path
) -> None:
    exported(trained, tmp_path / "weights")
    manifest = load_manifest(tmp_path / "weights")
    result = Ensemble.load(tmp_path / "weights").classify(np.asarray(photograph()))

    assert list(result.members) == ["clip_shallow", "clip"]
    assert set(manifest.light.weights) == {"cnn"}
    assert all(network.parity["max"] <= export.PARITY for network in manifest.networks)
    assert all(len(member.references) == len(export.PHOTOGRAPHS) for member in manifest.members)
    networks.load(tmp_path / "weights", manifest, manifest.members)


def test_a_new_head_leaves_the_files_of_the_networks_alone(trained: Paths, tmp_path: Path) -> None:
    before = exported(trained, tmp_path / "before")
    write_heads(trained, 0.1)
    after = exported(trained, tmp_path / "after")

    assert {name for name in before if before[name] != after[name]} == {
        "clip_shallow.npy",
        "clip.npy",
        "manifest.json",
    }


def test_a_member_that_is_not_trained_is_said_plainly(trained: Paths, tmp_path: Path) -> None:
    (trained.run("clip") / "head.npy").unlink()

    with pytest.raises(FileNotFoundError):
        exported(trained, tmp_path / "weights")
