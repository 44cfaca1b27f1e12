"""The CIFAKE benchmark: ``python -m training.cifake --config training/configs/cifake/cnn.toml``.

It trains one of our networks on CIFAKE, classifies the official test split once, and writes the
results into the report. It shows that the networks can learn such a task. The weights have no other
use. A killed run resumes from its last complete epoch when the command is repeated.
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
from training.datasets import cifake_images
from training.evaluate import REPORT
from training.imagenet_weights import load_imagenet
from training.paths import Paths, add_arguments
from training.schedule import Schedule, averaged, loss
from training.train import Checkpoint, logits, optimizer

SHIFT = 2
"""Largest shift of an image in pixels, each way. The border is filled by reflection."""


class Config(Schedule):
    """One file of ``training/configs/cifake``."""

    member: Literal["cnn", "efficientnet"]
    options: dict[str, Any] = Field(description="For the member's ``build()``.")
    imagenet: bool = Field(default=False, description="Start from ImageNet weights.")
    policy: Literal["float32", "mixed_bfloat16"] = Field(
        default="float32", description="Keras's dtype policy for the member's layers."
    )


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Images mirrored and shifted at random, in shuffled passes over the data.

    A batch depends only on seed, epoch and index, so a resumed run gets the same batches.
    """

    def __init__(self, images: cifake_images.Images, config: Config, epoch: int) -> None:
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
        chosen = np.array([self._order(number)[index] for number, index in passes])
        return vary(self._images.pixels[chosen], rng), self._labels[chosen]

    def on_epoch_end(self) -> None:
        """Advance to the next epoch."""
        self._epoch += 1

    def _shuffle(self, number: int) -> NDArray[np.int64]:
        return np.random.default_rng([self._config.seed, number]).permutation(len(self._images))


class Validation(callbacks.Callback):  # type: ignore[misc]
    """Logs the validation accuracy of the averaged weights."""

    def __init__(self, images: cifake_images.Images) -> None:
        super().__init__()
        self._images = images

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Evaluate the averaged weights, then restore the raw ones."""
        with averaged(self.model):
            right = (mean_logits(self.model, self._images.pixels) > 0) == self._images.fake
        if logs is not None:
            logs["val_accuracy"] = float(right.mean())


def vary(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Mirror half of the images, and shift each by up to ``SHIFT`` pixels.

    Args:
        pixels: shape (images, height, width, 3). Not changed.
        rng: the only source of randomness.

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


def mean_logits(model: keras.Model, pixels: Pixels) -> NDArray[np.float32]:
    """Return the mean logit of each image and its mirror image, shape (images,)."""
    return logits(model, np.stack([pixels, pixels[:, :, ::-1]], axis=1))


def build(config: Config) -> keras.Model:
    """Build and compile the network: uint8 RGB (n, 32, 32, 3) → logits (n, 1).

    If the member has a larger input, the images are enlarged in the graph.
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
    if side != cifake_images.SIDE:
        given = layers.Input((cifake_images.SIDE, cifake_images.SIDE, 3), dtype="uint8")
        enlarged = layers.Resizing(side, side, interpolation="bilinear", name="enlarge")(given)
        model = keras.Model(given, member(enlarged), name=member.name)
    model.compile(
        optimizer=optimizer(config),
        loss=loss(config),
        metrics=[keras.metrics.BinaryAccuracy(threshold=0.0, name="accuracy")],
        jit_compile=False,
    )
    return model


def train(config: Config, paths: Paths) -> keras.Model:
    """Train the network, or resume. Writes ``final.weights.h5`` and ``log.csv``.

    Returns:
        The network with its averaged weights.
    """
    run = run_folder(config, paths)
    run.mkdir(parents=True, exist_ok=True)
    images = cifake_images.load("train", paths.data, paths.cache)
    validation = Validation(cifake_images.load("val", paths.data, paths.cache))

    keras.utils.set_random_seed(config.seed)
    model = build(config)
    # The logger follows the validation, whose results it writes.
    checkpoint = Checkpoint(run)
    epoch = checkpoint.restore(model)
    model.fit(
        Batches(images, config, epoch),
        epochs=config.epochs,
        initial_epoch=epoch,
        shuffle=False,  # `Batches` draws at random, and a resumed run must take the same order
        callbacks=[validation, callbacks.CSVLogger(str(run / "log.csv"), append=True), checkpoint],
        verbose=1 if sys.stdout.isatty() else 2,
    )
    # Keras leaves the averaged weights in the model at the end of fit().
    model.save_weights(run / "final.weights.h5")
    return model


def run_folder(config: Config, paths: Paths) -> Path:
    """Return the folder of a network's run."""
    return paths.run(f"cifake-{config.member}")


def benchmark(config: Config, paths: Paths, report: Path) -> None:
    """Train, classify the test split, and write the results, the table and the log."""
    model = train(config, paths)
    test = cifake_images.load("test", paths.data, paths.cache)
    figures = {
        **cifake_report.figures(test.fake, mean_logits(model, test.pixels)),
        "parameters": model.count_params(),
        "config": config.model_dump(),
    }
    shutil.copyfile(
        run_folder(config, paths) / "log.csv", report / f"training-cifake-{config.member}.csv"
    )
    cifake_report.write(config.member, figures, report)


def read_config(path: Path) -> Config:
    """Read one configuration file."""
    return Config.model_validate(tomllib.loads(path.read_text()))


def main() -> None:
    """Parse the command line, train and evaluate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--report", type=Path, default=REPORT)
    add_arguments(parser)
    arguments = parser.parse_args()
    benchmark(read_config(arguments.config), Paths.of(arguments), arguments.report)


if __name__ == "__main__":
    main()
