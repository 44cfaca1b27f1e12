"""CIFAKE: the test split is not used in training, and the metrics are correct."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.pictures import encoded
from training import cifake_report
from training.cifake import Batches, Config, benchmark, build, mean_logits, read_config, train, vary
from training.datasets import cifake_images
from training.paths import Paths
from training.train import Checkpoint

# Keras saves weights in a way that NumPy 2 warns about.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CONFIG = Config(
    member="cnn",
    options={"side": 32, "stem_width": 4, "stages": [[1, 8]], "dense": True},
    seed=1,
    epochs=2,
    images_per_epoch=8,
    batch=4,
    peak_rate=1e-3,
    weight_decay=0.0,
)

PER_LABEL = {"train": 60, "test": 10}
LEAKED = 3
"""The first fakes of train are the first fakes of test."""


def picture(split: str, label: str, index: int) -> bytes:
    """A different picture for each, except for the leaked ones."""
    split = "test" if label == "FAKE" and index < LEAKED else split
    seed = index + 100 * (label == "FAKE") + 1000 * (split == "test")
    noise = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), np.uint8)
    return encoded(Image.fromarray(noise), "PNG")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two archives and the table of duplicates, with the layout of the real ones."""
    folder = tmp_path_factory.mktemp("cifake")
    for split, count in PER_LABEL.items():
        with tarfile.open(folder / f"cifake-{split}.tar.xz", "w:xz") as tar:
            for label in ("REAL", "FAKE"):
                tar.addfile(folder_entry(f"{split}/{label}"))
                for index in range(count):
                    content = picture(split, label, index)
                    entry = tarfile.TarInfo(f"{split}/{label}/{index} ({len(label)}).jpg")
                    entry.size = len(content)
                    tar.addfile(entry, io.BytesIO(content))
    with (folder / "cifake-duplicates.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sha256", "count", "train", "test"])
        for index in range(LEAKED):
            digest = hashlib.sha256(picture("test", "FAKE", index)).hexdigest()
            writer.writerow([digest, 2, f"FAKE/{index} (4).jpg", f"FAKE/{index} (4).jpg"])
        within = hashlib.sha256(picture("train", "FAKE", LEAKED)).hexdigest()
        writer.writerow([within, 2, "FAKE/3 (4).jpg;FAKE/4 (4).jpg", ""])
    return folder


def folder_entry(name: str) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type = tarfile.DIRTYPE
    return entry


@pytest.fixture
def paths(data: Path, tmp_path: Path) -> Paths:
    return Paths(data=data, runs=tmp_path / "runs")


def contents(images: cifake_images.Images) -> set[bytes]:
    return {pixels.tobytes() for pixels in images.pixels}


def load(split: cifake_images.Split, paths: Paths) -> cifake_images.Images:
    return cifake_images.load(split, paths.data, paths.cache)


def test_what_is_also_in_test_leaves_train_and_nothing_else_does(paths: Paths) -> None:
    learned, chosen = load("train", paths), load("val", paths)

    assert not (contents(learned) | contents(chosen)) & contents(load("test", paths))
    assert len(learned) + len(chosen) == 2 * PER_LABEL["train"] - LEAKED
    assert int(learned.fake.sum() + chosen.fake.sum()) == PER_LABEL["train"] - LEAKED


def test_the_test_split_is_the_official_one(paths: Paths) -> None:
    test = load("test", paths)

    assert len(test) == 2 * PER_LABEL["test"]
    assert len(contents(test)) == 2 * PER_LABEL["test"]


def test_no_image_is_learned_from_and_chosen_on(paths: Paths) -> None:
    learned, chosen = contents(load("train", paths)), contents(load("val", paths))

    assert chosen
    assert not learned & chosen


def test_an_image_s_label_is_that_of_its_folder(paths: Paths) -> None:
    test = load("test", paths)
    fakes = {
        np.asarray(Image.open(io.BytesIO(picture("test", "FAKE", index)))).tobytes()
        for index in range(PER_LABEL["test"])
    }

    assert {pixels.tobytes() for pixels in test.pixels[test.fake]} == fakes
    assert test.labels()[:, 0].tolist() == test.fake.tolist()


def test_the_order_of_images_tells_nothing_of_their_labels(paths: Paths) -> None:
    """In the archive, all real images come first."""
    fake = load("train", paths).fake

    assert 0.2 < fake[: len(fake) // 2].mean() < 0.8


def test_decoded_images_are_kept(paths: Paths) -> None:
    load("val", paths)

    assert len(cifake_images.load("val", Path("gone"), paths.cache)) == len(load("val", paths))


def test_each_image_comes_once_before_any_comes_again(paths: Paths) -> None:
    images = load("test", paths)
    config = CONFIG.model_copy(update={"images_per_epoch": 12})
    labelled = cifake_images.Images(
        np.broadcast_to(np.arange(20)[:, None, None, None], (20, 32, 32, 3)), images.fake
    )
    batches = Batches(labelled, config, 0)
    seen = [batches[index][0][:, 0, 0, 0] for index in range(3)]
    batches.on_epoch_end()
    seen += [batches[index][0][:, 0, 0, 0] for index in range(3)]

    assert sorted(np.concatenate(seen)[:20]) == list(range(20))
    assert np.array_equal(Batches(labelled, config, 1)[2][0][:, 0, 0, 0], seen[5])


def test_images_are_moved_by_two_pixels_at_most_and_some_are_mirrored() -> None:
    ramp = np.broadcast_to(np.arange(32, dtype=np.uint8)[None, None, :, None], (64, 32, 32, 3))
    varied = vary(ramp, np.random.default_rng(0))
    middle = varied[:, 16, 16, 0].astype(int)
    mirrored = varied[:, 16, 20, 0] < varied[:, 16, 10, 0]

    assert varied.shape == ramp.shape
    assert 10 < mirrored.sum() < 54
    assert set(middle[~mirrored]) == {14, 15, 16, 17, 18}
    assert set(middle[mirrored]) == {13, 14, 15, 16, 17}


def test_an_image_and_its_mirror_image_are_judged_the_same(paths: Paths) -> None:
    pixels = load("test", paths).pixels
    model = build(CONFIG)

    assert mean_logits(model, pixels) == pytest.approx(
        mean_logits(model, pixels[:, :, ::-1]), abs=1e-5
    )


class KilledError(Exception):
    """Ends a run after its first epoch."""


keep = Checkpoint.on_epoch_end


def keep_and_die(self: Checkpoint, epoch: int, logs: dict[str, object] | None = None) -> None:
    keep(self, epoch, logs)
    raise KilledError


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # an open log
def test_a_killed_run_goes_on_and_ends_as_if_nothing_had_happened(
    paths: Paths, data: Path, tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(Checkpoint, "on_epoch_end", keep_and_die)
        train(CONFIG, paths)
    found = train(CONFIG, paths)
    expected = train(CONFIG, Paths(data, tmp_path / "undisturbed"))

    with (paths.run("cifake-cnn") / "log.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["0", "1"]
    for one, other in zip(expected.get_weights(), found.get_weights(), strict=True):
        assert other == pytest.approx(one, abs=5e-4)


def test_a_run_ends_with_the_figures_of_the_whole_test_split(paths: Paths, tmp_path: Path) -> None:
    benchmark(CONFIG, paths, tmp_path)
    counts = json.loads((tmp_path / "cifake.json").read_text())["cnn"]["confusion"]

    assert counts["fake_called_real"] + counts["fake_called_fake"] == PER_LABEL["test"]
    assert counts["real_called_real"] + counts["real_called_fake"] == PER_LABEL["test"]
    assert (tmp_path / "training-cifake-cnn.csv").read_text().count("\n") == 1 + CONFIG.epochs


def test_the_figures_are_those_of_the_answers() -> None:
    """Eight of ten fakes are found. One of ten real images is classified as fake."""
    fake = np.arange(20) < 10
    logits = np.where(fake, 1.0, -1.0).astype(np.float32)
    logits[[0, 1, 10]] *= -1
    measured = cifake_report.figures(fake, logits)

    assert measured["confusion"] == {
        "real_called_real": 9,
        "real_called_fake": 1,
        "fake_called_real": 2,
        "fake_called_fake": 8,
    }
    assert measured["accuracy"]["value"] == pytest.approx(17 / 20)
    assert measured["precision"]["value"] == pytest.approx(8 / 9)
    assert measured["recall"]["value"] == pytest.approx(8 / 10)
    assert measured["f1"]["value"] == pytest.approx(16 / 19)
    assert measured["auc"] == pytest.approx(0.85)
    # The Wilson interval for 17 of 20, by Newcombe's calculator.
    assert measured["accuracy"]["low"] == pytest.approx(0.6396, abs=5e-4)
    assert measured["accuracy"]["high"] == pytest.approx(0.9476, abs=5e-4)


def test_the_report_keeps_both_networks_beside_the_original(tmp_path: Path) -> None:
    fake = np.arange(20) < 10
    measured = cifake_report.figures(fake, np.where(fake, 1.0, -1.0).astype(np.float32))
    for member in ("efficientnet", "cnn"):
        config = CONFIG.model_copy(update={"member": member})
        cifake_report.write(
            member, {**measured, "parameters": 1, "config": config.model_dump()}, tmp_path
        )
    text = (tmp_path / "cifake.md").read_text()

    assert "| `cnn` | 97.62% | 100.00% [83.89%, 100.00%] |" in text
    assert "| `efficientnet` | 97.72% |" in text
    assert "in-distribution" in text


@pytest.mark.parametrize("name", ["cnn", "efficientnet"])
def test_a_configured_network_answers_small_images_and_is_small(name: str) -> None:
    config = read_config(Path("training/configs/cifake") / f"{name}.toml")
    model = build(config)

    assert config.member == name
    assert model.input_shape == (None, 32, 32, 3)
    assert model.output_shape == (None, 1)
    assert model.output.dtype == "float32"
    assert model.count_params() <= 25_000_000
