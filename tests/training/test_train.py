"""Training: a killed run resumes, and the batches are right."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from models.members import NETWORKS
from tests.pictures import drawing
from tests.training.dataset_files import put
from tests.training.small_network import kill_after_an_epoch, make_small
from training.datasets import packs
from training.datasets.dataset_manifest import Row, write_csv
from training.paths import Paths
from training.scores import TIERS, degrade
from training.teacher import HINTS, Teacher
from training.train import Batches, Config, build, read_config, train

# Keras saves weights in a way that NumPy 2 warns about.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CONFIG = Config(
    member="cnn", seed=1, epochs=2, images_per_epoch=8, batch=4, peak_rate=1e-3, weight_decay=0.0
)


@pytest.fixture(scope="module", autouse=True)
def _small_network() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        make_small(patch)
        yield


def logged(paths: Paths) -> list[dict[str, str]]:
    with (paths.run("cnn") / "log.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_batch_is_half_ai_and_depends_on_seed_epoch_and_index_alone(paths: Paths) -> None:
    images = packs.load("train", paths.data, paths.cache)
    view = NETWORKS["cnn"].view
    batches, resumed = Batches(images, view, CONFIG, 0), Batches(images, view, CONFIG, 1)
    first, labels = batches[1]
    batches.on_epoch_end()

    assert first.shape == (4, *view.shape[1:])
    assert labels["logit"].sum() == 2
    assert not np.array_equal(first, batches[1][0])
    assert np.array_equal(batches[1][0], resumed[1][0])


@pytest.fixture(scope="module")
def trained(drawn_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """The folders of a completed run."""
    paths = Paths(drawn_data, tmp_path_factory.mktemp("trained"))
    train(CONFIG, paths)
    return paths


def test_a_killed_run_goes_on_and_ends_as_if_nothing_had_happened(
    paths: Paths, trained: Paths
) -> None:
    kill_after_an_epoch(CONFIG, paths)
    assert [row["epoch"] for row in logged(paths)] == ["0"]
    train(CONFIG, paths)

    assert [row["epoch"] for row in logged(paths)] == ["0", "1"]
    one, other = NETWORKS["cnn"].build(), NETWORKS["cnn"].build()
    one.load_weights(trained.run("cnn") / "final.weights.h5")
    other.load_weights(paths.run("cnn") / "final.weights.h5")
    for expected, found in zip(one.get_weights(), other.get_weights(), strict=True):
        assert found == pytest.approx(expected, abs=1e-4)


def test_a_taught_member_learns_the_teacher_s_opinion_as_much_as_the_truth(
    paths: Paths,
) -> None:
    images = packs.load("train", paths.data, paths.cache)
    taught = [example.name for example in images.examples[:10]]
    teacher = Teacher(
        np.array(taught),
        np.full(10, 0.4, np.float32),
        np.arange(10 * HINTS, dtype=np.float32).reshape(10, HINTS),
    )
    config = CONFIG.model_copy(update={"distilled": True})
    _, targets = Batches(images, NETWORKS["cnn"].view, config, 0, teacher)[0]

    assert np.unique(targets["logit"]).tolist() == pytest.approx([0.2, 0.7])
    assert targets["hint"].shape == (4, HINTS)
    assert set(build(config).output) == {"logit", "hint"}


def test_a_manifest_of_one_s_own_can_be_trained_on(tmp_path: Path) -> None:
    rows = [
        Row(put(tmp_path / f"{i}.png", drawing(i)), label, split, f"{split}-{label}", "art")
        for i, (split, label) in enumerate(product(("train", "val"), ("ai", "real")))
    ]
    write_csv(tmp_path / "manifest.csv", rows)
    paths = Paths(tmp_path / "manifest.csv", tmp_path / "runs")
    train(CONFIG.model_copy(update={"epochs": 1, "distilled": True}), paths)

    assert [set(row) >= {"val_auc_art"} for row in logged(paths)] == [True]
    assert (paths.run("cnn") / "final.weights.h5").exists()


def test_only_early_blocks_and_the_body_s_statistics_are_frozen() -> None:
    config = CONFIG.model_copy(
        update={"member": "efficientnet", "imagenet": True, "frozen_blocks": 5}
    )
    model = build(config)
    trainable = {layer.name for layer in model.layers if layer.trainable}

    assert "block4_expand_conv" not in trainable
    assert "block5_expand_conv" in trainable
    assert "block5_expand_norm" not in trainable
    assert {"head_scale", "logit"} <= trainable


def test_the_tiers_are_as_hard_as_they_say() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (600, 1000, 3), np.uint8)

    assert degrade(noise, TIERS["clean"]) is noise
    assert degrade(noise, TIERS["web"]).shape == (461, 768, 3)
    assert degrade(noise, TIERS["hard"]).shape == (307, 512, 3)


@pytest.mark.parametrize("name", [name for name in NETWORKS if not name.startswith("clip")])
def test_every_light_member_has_its_configuration(name: str) -> None:
    assert read_config(Path("training/configs") / f"{name}.toml").member == name
