"""The CIFAKE benchmark: ``python -m training.cifake --config training/configs/cifake/cnn.toml``.

Trains one of our networks on CIFAKE, then judges the official test split, once, and writes what
came out into the report. It shows that the networks learn what they are given; the weights go no
further. A run that was killed goes on from its last whole epoch when the command is given again.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tomllib
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
from keras import callbacks, layers
from numpy.typing import NDArray
from pydantic import Field

from models.views import Pixels
from training import cifake_report
from training.datasets import cifake
from training.evaluate import REPORT
from training.imagenet import load_imagenet
from training.places import Places, add_arguments
from training.train import Checkpoint, Schedule, averaged, logits, loss, optimizer

SHIFT = 2
"""Pixels by which an image is moved at most, each way; what comes in mirrors what is inside."""


class Config(Schedule):
    """One file of ``training/configs/cifake``."""

    member: Literal["cnn", "efficientnet"]
    options: dict[str, Any] = Field(description="For the member's ``build()``.")
    imagenet: bool = Field(default=False, description="Begin with weights from ImageNet.")
    policy: Literal["float32", "mixed_bfloat16"] = Field(
        default="float32", description="Keras's dtype policy for the member's layers."
    )


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Images mirrored and moved at random; each comes once before any comes again.

    A batch depends on seed, epoch and index alone, so a resumed run sees what it would have seen.
    """

    def __init__(self, images: cifake.Images, config: Config, epoch: int) -> None:
        super().__init__(workers=1)
        self._images, self._labels = images, images.labels()
        self._config, self._epoch = config, epoch
        self._order = lru_cache(maxsize=2)(self._shuffle)

    def __len__(self) -> int:
        return self._config.steps_per_epoch

    def __getitem__(self, index: int) -> tuple[Pixels, NDArray[np.float32]]:
        rng = np.random.default_rng([self._config.seed, self._epoch, index])
        start = (self._epoch * len(self) + index) * self._config.batch
        passes = [divmod(start + i, len(self._images)) for i in range(self._config.batch)]
        chosen = np.array([self._order(turn)[place] for turn, place in passes])
        return vary(self._images.pixels[chosen], rng), self._labels[chosen]

    def on_epoch_end(self) -> None:
        """Go on to the next epoch's images."""
        self._epoch += 1

    def _shuffle(self, turn: int) -> NDArray[np.int64]:
        return np.random.default_rng([self._config.seed, turn]).permutation(len(self._images))


class Validation(callbacks.Callback):  # type: ignore[misc]
    """Adds the averaged weights' accuracy on the held-out images to the log."""

    def __init__(self, images: cifake.Images) -> None:
        super().__init__()
        self._images = images

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Judge with the averaged weights, then go back to the raw ones."""
        with averaged(self.model):
            right = (judge(self.model, self._images.pixels) > 0) == self._images.fake
        if logs is not None:
            logs["val_accuracy"] = float(right.mean())


def vary(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Mirror half of the images, and move each by up to ``SHIFT`` pixels either way.

    Args:
        pixels: shape (images, height, width, 3); left as they are.
        rng: the chance.

    Returns:
        A copy of the same shape.
    """
    count, height, width = pixels.shape[:3]
    around = ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0))
    padded = np.pad(pixels, around, mode="reflect")
    top, left = rng.integers(0, 2 * SHIFT + 1, (2, count))
    rows = top[:, None] + np.arange(height)
    columns = left[:, None] + np.arange(width)
    mirrored = rng.random(count) < 0.5
    columns[mirrored] = columns[mirrored, ::-1]
    moved: Pixels = padded[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return moved


def judge(model: keras.Model, pixels: Pixels) -> NDArray[np.float32]:
    """Return the mean logit of each image and its mirror image, shape (images,)."""
    return logits(model, np.stack([pixels, pixels[:, :, ::-1]], axis=1))


def build(config: Config) -> keras.Model:
    """Build and compile the network: uint8 RGB (n, 32, 32, 3) → logits (n, 1).

    A member that sees larger images gets them enlarged.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(config.policy)
    try:
        member = import_module(f"models.members.{config.member}").build(**config.options)
    finally:
        keras.config.set_dtype_policy(before)
    if config.imagenet:
        load_imagenet(member)
    model, side = member, member.input_shape[1]
    if side != cifake.SIDE:
        given = layers.Input((cifake.SIDE, cifake.SIDE, 3), dtype="uint8")
        enlarged = layers.Resizing(side, side, interpolation="bilinear", name="enlarge")(given)
        model = keras.Model(given, member(enlarged), name=member.name)
    model.compile(
        optimizer=optimizer(config),
        loss=loss(config),
        metrics=[keras.metrics.BinaryAccuracy(threshold=0.0, name="accuracy")],
        jit_compile=False,
    )
    return model


def train(config: Config, places: Places) -> keras.Model:
    """Train the network, or go on with it; leaves ``final.weights.h5`` and ``log.csv``.

    Returns:
        The network with its averaged weights.
    """
    run = run_folder(config, places)
    run.mkdir(parents=True, exist_ok=True)
    images = cifake.load("train", places.data, places.cache)
    validation = Validation(cifake.load("val", places.data, places.cache))

    keras.utils.set_random_seed(config.seed)
    model = build(config)
    # The logger comes after the validation, whose figures it writes.
    checkpoint = Checkpoint(run)
    epoch = checkpoint.restore(model)
    model.fit(
        Batches(images, config, epoch),
        epochs=config.epochs,
        initial_epoch=epoch,
        callbacks=[validation, callbacks.CSVLogger(str(run / "log.csv"), append=True), checkpoint],
        verbose=1 if sys.stdout.isatty() else 2,
    )
    # Keras leaves the averaged weights in the model at the end of fit().
    model.save_weights(run / "final.weights.h5")
    return model


def run_folder(config: Config, places: Places) -> Path:
    """Return where a network's run keeps its state."""
    return places.run(f"cifake-{config.member}")


def benchmark(config: Config, places: Places, report: Path) -> None:
    """Train, judge the test split, and write the figures, the table and the log."""
    model = train(config, places)
    test = cifake.load("test", places.data, places.cache)
    figures = {
        **cifake_report.figures(test.fake, judge(model, test.pixels)),
        "parameters": model.count_params(),
        "config": config.model_dump(),
    }
    shutil.copyfile(
        run_folder(config, places) / "log.csv", report / f"training-cifake-{config.member}.csv"
    )
    cifake_report.write(config.member, figures, report)


def read_config(path: Path) -> Config:
    """Read one configuration file."""
    return Config.model_validate(tomllib.loads(path.read_text()))


def main() -> None:
    """Read the command line, train and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--report", type=Path, default=REPORT)
    add_arguments(parser)
    arguments = parser.parse_args()
    benchmark(read_config(arguments.config), Places.of(arguments), arguments.report)


if __name__ == "__main__":
    main()
