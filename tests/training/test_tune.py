"""Fine-tuning at toy scale: which weights change, and a killed run resumes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

from models.members import clip
from models.networks import Head
from training import checkpoint, features, heads, kinds, low_rank, recipes, tune
from training.checkpoint import Checkpoint
from training.datasets import packs
from training.low_rank import Heads
from training.paths import Paths
from training.schedule import loss

WIDTH, PATCHES = 6, 16
CONFIG = tune.Config(
    name="toy",
    seed=1,
    epochs=2,
    images_per_epoch=8,
    batch=4,
    peak_rate=0.01,
    warmup=1,
    weight_decay=0.0,
    depths=(1, 2),
    strength=0.1,
    rank=2,
    patches=8,
    hard=0.5,
    evaluated=2,
)


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A narrow encoder with random weights, and kinds for the synthetic sources."""
    sizes = {"WIDTH": WIDTH, "PATCH": 56, "HEADS": 2}
    for name, value in sizes.items():
        monkeypatch.setattr(clip, name, value)
    monkeypatch.setattr(clip, "PATCHES", PATCHES)
    monkeypatch.setattr(features, "DEPTHS", CONFIG.depths)
    monkeypatch.setattr(features, "PER_DEPTH", 2 * WIDTH)
    monkeypatch.setattr(features, "WIDTH", 2 * WIDTH * len(CONFIG.depths))
    monkeypatch.setattr(features, "encoder", small_encoder)
    monkeypatch.setattr(tune, "fetch_file", lambda folder: folder)
    monkeypatch.setattr(tune, "read_arrays", lambda _: {})
    monkeypatch.setattr(tune, "load_clip", lambda *_: None)
    monkeypatch.setattr(kinds, "read", Everything)


class Everything(dict[str, str]):
    """Gives every synthetic source a kind."""

    def __missing__(self, source: str) -> str:
        return "art" if source.endswith("art") else "builder" if "-ai-" in source else "stock"

    def keys(self) -> Any:
        return {f"modern/{split}-{of}" for split in ("train", "val") for of in OF}


OF = ("ai-photo", "ai-art", "real-photo", "real-art")


def small_encoder(_: Paths) -> keras.Model:
    given = layers.Input(features.VIEW.shape[1:], dtype="uint8")
    mean = layers.GlobalAveragePooling2D()(layers.Rescaling(1 / 255)(given))
    return keras.Model(given, ops.tile(mean, (1, features.WIDTH // 3)))


HEADS = Heads(
    CONFIG.depths, np.random.default_rng(0).normal(size=(2 * 2 * WIDTH, 2)), np.array([0.1, 0.2])
)


def fit_heads(config: tune.Config, paths: Paths) -> None:
    known = features.load("train", paths)
    heads.fit(config, known.at(config.depths), paths)


def folds(config: tune.Config, paths: Paths) -> tuple[list[packs.Example], np.ndarray]:
    """Return the images of ``train``, and for each the head that has not seen its owner."""
    examples = list(packs.load("train", paths.data, paths.cache).examples)
    return examples, tune.read_heads(config, examples, paths)[1]


def views(count: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (count, *features.VIEW.shape[1:]), np.uint8)


def test_the_merged_encoder_equals_the_tuned_one() -> None:
    tuned, plain = low_rank.build(HEADS, 2, PATCHES), low_rank.build_plain(HEADS)
    for layer in tuned.layers:
        if layer.name.endswith("_up"):
            layer.set_weights([np.random.default_rng(5).normal(0, 0.3, layer.kernel.shape)])
    low_rank.merge(tuned, plain)
    kept = np.tile(np.arange(PATCHES) + 1, (3, 1))
    judges = np.eye(2)[[0, 1, 1]]
    said = np.array(tuned.predict([views(3), kept, judges], verbose=0))

    assert plain.predict(views(3), verbose=0)[[0, 1, 2], [0, 1, 1]] == pytest.approx(
        said[:, 0], rel=1e-3
    )
    before = plain.predict(views(3), verbose=0)
    low_rank.merge(tuned, plain, fraction=0.0)
    assert np.abs(plain.predict(views(3), verbose=0) - before).max() > 0.01


def test_patches_that_are_left_out_are_not_seen() -> None:
    tuned = low_rank.build(HEADS, 2, 8)
    changed = views(1).copy()
    changed[:, :56] = 0  # The first row: patches 1 to 4.
    kept, judge = np.arange(8)[None] + 5, np.eye(2)[:1]
    one, other = (tuned.predict([each, kept, judge], verbose=0) for each in (views(1), changed))

    assert one == pytest.approx(other)
    assert tuned.predict([changed, kept - 4, judge], verbose=0) != pytest.approx(
        tuned.predict([views(1), kept - 4, judge], verbose=0)
    )


def trained(config: tune.Config, paths: Paths, monkeypatch: pytest.MonkeyPatch) -> keras.Model:
    """Run ``tune`` and return its network."""
    made = []
    build = tune.build

    def noting(*arguments: Any) -> keras.Model:
        made.append(build(*arguments))
        return made[-1]

    if not tune.heads_file(config, paths).exists():
        fit_heads(config, paths)
    with monkeypatch.context() as patch:
        patch.setattr(tune, "build", noting)
        tune.tune(config, paths)
    return made[-1]


def test_a_killed_run_goes_on_as_if_it_had_not_been(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trained(CONFIG, paths, monkeypatch)
    other = Paths(paths.data, tmp_path / "other")
    trained(CONFIG.model_copy(update={"epochs": 1}), other, monkeypatch)
    resumed = trained(CONFIG, other, monkeypatch)

    assert [path.name for path in other.run("toy").glob("step-*")] == ["step-0000004"]
    for one, two in zip(whole.weights, resumed.weights, strict=True):
        assert one.numpy() == pytest.approx(two.numpy(), abs=1e-5)
    steps = [line.split(",")[0] for line in (other.run("toy") / "log.csv").read_text().split()]
    assert steps == ["step", "0", "2", "4"]


def test_only_the_updates_learn(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    model = trained(CONFIG, paths, monkeypatch)
    keras.utils.set_random_seed(CONFIG.seed)
    examples, _ = folds(CONFIG, paths)
    fresh = low_rank.build(tune.read_heads(CONFIG, examples, paths)[0], 2, 8)
    moved = {
        layer.name: any(
            not np.array_equal(one, two)
            for one, two in zip(layer.get_weights(), twin.get_weights(), strict=True)
        )
        for layer, twin in zip(model.layers, fresh.layers, strict=True)
        if layer.weights
    }

    assert {name for name, has in moved.items() if has} <= {
        layer.name for layer in model.layers if layer.name.endswith(("_down", "_up"))
    }
    assert moved["block1_query_up"]
    assert moved["block2_project_up"]


def test_an_image_is_judged_by_a_head_that_has_not_seen_its_owner(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted = []

    def noting(known: features.Features, strength: float) -> Head:  # noqa: ARG001
        fitted.append({example.source.split("/")[0] for example in known.examples})
        return Head(np.zeros(2 * 2 * WIDTH, np.float32), 0.0)

    monkeypatch.setattr(recipes, "fit", noting)
    fit_heads(CONFIG, paths)
    examples, fold = folds(CONFIG, paths)

    assert len(fitted) == heads.FOLDS
    for example, number in zip(examples, fold, strict=True):
        assert example.source.split("/")[0] not in fitted[number]


def test_kinds_that_are_held_out_are_judged_and_not_trained_on(paths: Paths) -> None:
    config = CONFIG.model_copy(update={"held_out": "art"})
    fit_heads(config, paths)
    examples, fold = folds(config, paths)
    fits, _ = tune.read_heads(config, examples, paths)
    judge = tune.Evaluator(config, fits, fold, paths)
    out = {examples[at].source for at in np.flatnonzero(fold == -1)}

    assert out == {"modern/train-ai-art", "modern/train-real-art"}
    assert set(judge(low_rank.build(fits, 2, 8))) == {
        f"{part}_{what}" for part in ("val", "kinds") for what in ("auc", "tpr")
    }


def test_tuning_needs_neither_the_runtime_nor_what_converts_for_it() -> None:
    heavy = ("openvino", "nncf", "training.features")
    code = f"import sys, training.tune; print([n for n in {heavy} if n in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert said.stdout.strip() == "[]"


def test_a_checkpoint_is_kept_in_small_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "LARGEST", 2000)
    model = low_rank.build(HEADS, 2, 8)
    model.compile(tune.optimizer(CONFIG), loss(CONFIG))
    model.optimizer.build(model.trainable_variables)
    kept = Checkpoint(tmp_path, model)
    kept.save(3)
    kept.save(7)
    parts = sorted((tmp_path / "step-0000007").iterdir())

    assert [path.name for path in tmp_path.iterdir()] == ["step-0000007"]
    assert len(parts) > 3
    for part in parts:
        with np.load(part) as arrays:
            assert sum(arrays[name].nbytes for name in arrays.files) <= 2000
    assert kept.restore() == 7
    parts[1].unlink()
    with pytest.raises(ValueError, match="not a complete checkpoint"):
        kept.restore()
