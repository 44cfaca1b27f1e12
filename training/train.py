"""Trains one member: ``python -m training.train --config training/configs/cnn.toml``.

A killed run resumes from its last complete epoch when the command is repeated.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import callbacks
from numpy.typing import NDArray
from pydantic import Field
from sklearn.metrics import roc_auc_score

from models.members import NETWORKS
from models.views import Pixels, View, prepare
from training.augment import augment
from training.datasets import dataset_manifest, packs
from training.imagenet_weights import load_imagenet
from training.paths import Paths, add_arguments
from training.schedule import Schedule, averaged, loss
from training.teacher import HINTS, Teacher
from training.teacher import read as read_teacher


class Config(Schedule):
    """One file of ``training/configs``."""

    member: str
    imagenet: bool = Field(default=False, description="Start from ImageNet weights.")
    frozen_blocks: int = Field(default=0, description="Number of frozen first blocks.")
    corpora: dict[str, float] = Field(default={"photo": 1.0, "art": 1.0})
    integers: bool = Field(default=True, description="Export in 8-bit integers, if accurate.")
    distilled: bool = Field(default=False, description="Distil from CLIP. Needs training.probe.")
    hint_weight: float = Field(default=0.1, ge=0, description="Weight of the hint loss.")


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Random augmented views: half AI, half real. All sources are equally likely.

    A batch depends only on seed, epoch and index, so a resumed run gets the same batches.
    """

    def __init__(
        self,
        images: packs.Images,
        view: View,
        config: Config,
        epoch: int,
        teacher: Teacher | None = None,
    ) -> None:
        super().__init__(workers=1)
        self._view, self._config, self._epoch = view, config, epoch
        self._images, self._teacher = images, teacher
        labels = images.labels()
        if teacher is None:
            self._indices = list(range(len(images)))
            self._targets = labels
        else:
            # Only images with distillation targets, in the order of the targets.
            index_of = {example.name: index for index, example in enumerate(images.examples)}
            self._indices = [index_of[name] for name in teacher.names]
            self._targets = (labels[self._indices] + teacher.opinions) / np.float32(2)
        weights = packs.weights([images.examples[i] for i in self._indices], config.corpora)
        ai = labels[self._indices] == 1
        self._chances = [np.where(side, weights, 0) / weights[side].sum() for side in (ai, ~ai)]

    def __len__(self) -> int:
        return self._config.steps_per_epoch

    def __getitem__(self, index: int) -> tuple[Pixels, dict[str, NDArray[np.float32]]]:
        rng = np.random.default_rng([self._config.seed, self._epoch, index])
        half = self._config.batch // 2
        chosen = np.concatenate(
            [rng.choice(len(self._indices), half, p=chances) for chances in self._chances]
        )
        images = self._images
        views = [
            self._view.sample(prepare(augment(images.pixels(self._indices[i]), rng)), rng)
            for i in chosen
        ]
        targets = {"logit": self._targets[chosen, None]}
        if self._teacher is not None:
            targets["hint"] = self._teacher.hints[chosen]
        return np.stack(views), targets

    def on_epoch_end(self) -> None:
        """Advance to the next epoch."""
        self._epoch += 1


class Validation(callbacks.Callback):  # type: ignore[misc]
    """Logs ``val_auc`` of each corpus for the averaged weights.

    With the packs, only modern images count. With a manifest, all images count.
    """

    def __init__(self, images: packs.Images, view: View) -> None:
        super().__init__()
        modern = [i for i, example in enumerate(images.examples) if example.pack == "modern"]
        modern = modern or list(range(len(images)))
        self._examples = [images.examples[i] for i in modern]
        self._views = serving_views(images, view, modern)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Evaluate the averaged weights, then restore the raw ones."""
        with averaged(self.model):
            answers = logits(member_of(self.model), self._views)
        scored = list(zip(self._examples, answers, strict=True))
        for corpus in sorted({example.corpus for example in self._examples}):
            examples = [example for example, _ in scored if example.corpus == corpus]
            auc = roc_auc_score(
                [example.ai for example in examples],
                [score for example, score in scored if example.corpus == corpus],
                sample_weight=packs.weights(examples),
            )
            if logs is not None:
                logs[f"val_auc_{corpus}"] = auc


def serving_views(images: packs.Images, view: View, indices: list[int]) -> Pixels:
    """Return the inference views of images, shape (images, views, height, width, 3)."""
    return np.stack([view.serve(prepare(images.pixels(i))) for i in indices])


def logits(model: keras.Model, views: Pixels) -> NDArray[np.float32]:
    """Return each image's mean logit over its views."""
    flat = views.reshape(-1, *views.shape[2:])
    answers: NDArray[np.float32] = model.predict(flat, batch_size=32, verbose=0)
    means: NDArray[np.float32] = answers.reshape(views.shape[:2]).mean(axis=1)
    return means


def build(config: Config) -> keras.Model:
    """Build and compile the member for training on ``Batches``.

    Returns:
        A model with the output ``logit``. With distillation it has a second output ``hint``, which
        shares all layers but the last.
    """
    member = NETWORKS[config.member].build()
    if config.imagenet:
        load_imagenet(member)
        _freeze(member, config.frozen_blocks)
    outputs = {"logit": member.output}
    losses: dict[str, keras.losses.Loss] = {"logit": loss(config)}
    if config.distilled:
        hint = keras.layers.Dense(HINTS, name="hint")
        outputs["hint"] = hint(member.get_layer("logit").input)
        losses["hint"] = keras.losses.MeanSquaredError()
    model = keras.Model(member.input, outputs, name=member.name)
    model.compile(
        optimizer=optimizer(config),
        loss=losses,
        loss_weights={name: config.hint_weight if name == "hint" else 1.0 for name in losses},
        jit_compile=False,
    )
    return model


def optimizer(schedule: Schedule) -> keras.optimizers.Optimizer:
    """Return AdamW with a moving average of the weights, warm-up and cosine decay."""
    total = schedule.epochs * schedule.steps_per_epoch
    warmup = total // 20
    rate = keras.optimizers.schedules.CosineDecay(
        schedule.peak_rate / 20,
        decay_steps=total - warmup,
        warmup_target=schedule.peak_rate,
        warmup_steps=warmup,
    )
    return keras.optimizers.AdamW(
        rate,
        weight_decay=schedule.weight_decay,
        use_ema=True,
        ema_momentum=schedule.ema_momentum,
    )


def member_of(model: keras.Model) -> keras.Model:
    """Return the member inside a model of ``build``. They share their weights."""
    return keras.Model(model.input, model.get_layer("logit").output, name=model.name)


def train(config: Config, paths: Paths) -> None:
    """Train the member, or resume.

    Writes ``final.weights.h5``, ``training.json`` and ``log.csv``.
    """
    own_data = paths.data.is_file()
    if own_data:  # There are distillation targets for the packs only.
        config = config.model_copy(update={"distilled": False})
    run = paths.run(config.member)
    run.mkdir(parents=True, exist_ok=True)
    (run / "training.json").write_text(config.model_dump_json())
    view = NETWORKS[config.member].view
    load = dataset_manifest.load if own_data else packs.load
    images = load("train", paths.data, paths.cache)
    validation = Validation(load("val", paths.data, paths.cache), view)

    keras.utils.set_random_seed(config.seed)
    model = build(config)
    # The logger follows the validation, whose results it writes.
    checkpoint = Checkpoint(run)
    epoch = checkpoint.restore(model)
    teacher = read_teacher(paths) if config.distilled else None
    model.fit(
        Batches(images, view, config, epoch, teacher),
        epochs=config.epochs,
        initial_epoch=epoch,
        shuffle=False,  # `Batches` draws at random, and a resumed run must take the same order
        callbacks=[validation, callbacks.CSVLogger(str(run / "log.csv"), append=True), checkpoint],
        verbose=1 if sys.stdout.isatty() else 2,
    )
    # Keras leaves the averaged weights in the model at the end of fit().
    member_of(model).save_weights(run / "final.weights.h5")


class Checkpoint(callbacks.Callback):  # type: ignore[misc]
    """Saves each epoch and keeps the last: weights, optimizer state and epoch number."""

    def __init__(self, run: Path) -> None:
        super().__init__()
        self._run = run

    def restore(self, model: keras.Model) -> int:
        """Restore the last checkpoint. Return the number of completed epochs."""
        done = sorted(self._run.glob("epoch-*.weights.h5"))
        if not done:
            return 0
        model.optimizer.build(model.trainable_variables)
        model.load_weights(done[-1])
        return int(done[-1].name.split(".")[0].removeprefix("epoch-"))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Write to a temporary file, then rename it. A killed run keeps the last checkpoint."""
        path = self._run / f"epoch-{epoch + 1:03}.weights.h5"
        unfinished = self._run / "unfinished.weights.h5"
        self.model.save_weights(unfinished)
        unfinished.rename(path)
        for old in self._run.glob("epoch-*.weights.h5"):
            if old != path:
                old.unlink()


def _freeze(model: keras.Model, blocks: int) -> None:
    """Freeze the stem, the first blocks and all batch normalisations.

    Early blocks cost the most, and ImageNet has taught them edges and textures. Statistics of
    batches of 32 would be noisier than those of ImageNet.
    """
    names = [layer.name for layer in model.layers]
    first = next(i for i, name in enumerate(names) if name.startswith(f"block{blocks}_"))
    for index, layer in enumerate(model.layers):
        if index < first or layer.name.endswith("_norm"):
            layer.trainable = False


def read_config(path: Path) -> Config:
    """Read one configuration file."""
    return Config.model_validate(tomllib.loads(path.read_text()))


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    add_arguments(parser)
    arguments = parser.parse_args()
    train(read_config(arguments.config), Paths.of(arguments))


if __name__ == "__main__":
    main()
