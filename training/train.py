"""Trains one member: ``python -m training.train --config training/configs/cnn.toml``.

Data, model, training, in this order. A run that was killed goes on from its last whole epoch when
the same command is given again.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import callbacks
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from sklearn.metrics import roc_auc_score

from models.members import MEMBERS
from models.views import Pixels, View, prepare
from training.augment import augment
from training.datasets import manifest, packs
from training.imagenet import load_imagenet
from training.places import Places, add_arguments
from training.teacher import HINTS, Teacher
from training.teacher import read as read_teacher


class Schedule(BaseModel):
    """How long and how fast a network learns."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int
    epochs: int = Field(gt=0)
    images_per_epoch: int = Field(gt=0)
    batch: int = Field(gt=0, multiple_of=2)
    peak_rate: float = Field(gt=0, description="Learning rate after the warm-up; then a cosine.")
    weight_decay: float = Field(ge=0)
    label_smoothing: float = 0.05
    ema_momentum: float = Field(default=0.99, description="The average that is kept and shipped.")

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        return self.images_per_epoch // self.batch


class Config(Schedule):
    """One file of ``training/configs``."""

    member: str
    imagenet: bool = Field(default=False, description="Begin with weights from ImageNet.")
    frozen_blocks: int = Field(default=0, description="First blocks that stay as they are.")
    corpora: dict[str, float] = {"photo": 1.0, "art": 1.0}
    integers: bool = Field(default=True, description="Serve in 8-bit integers, if they pass.")
    distilled: bool = Field(default=False, description="CLIP teaches; needs training.probe.")
    hint_weight: float = Field(default=0.1, ge=0, description="Of the hints in the loss.")


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Random augmented views: half AI, half real, each source as likely as any other.

    A batch depends on seed, epoch and index alone, so a resumed run sees what it would have seen.
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
            # Only images that the teacher has seen; the targets are in the order of its lessons.
            place = {example.name: index for index, example in enumerate(images.examples)}
            self._indices = [place[name] for name in teacher.names]
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
        """Go on to the next epoch's images."""
        self._epoch += 1


class Validation(callbacks.Callback):  # type: ignore[misc]
    """Adds ``val_auc`` of each corpus to the log, measured on the average.

    Of the packs, the modern one is judged alone; a manifest is judged whole.
    """

    def __init__(self, images: packs.Images, view: View) -> None:
        super().__init__()
        modern = [i for i, example in enumerate(images.examples) if example.pack == "modern"]
        modern = modern or list(range(len(images)))
        self._examples = [images.examples[i] for i in modern]
        self._views = serving_views(images, view, modern)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Judge the validation images with the averaged weights, then go back to the raw ones."""
        with averaged(self.model):
            answers = logits(member_of(self.model), self._views)
        judged = list(zip(self._examples, answers, strict=True))
        for corpus in sorted({example.corpus for example in self._examples}):
            examples = [example for example, _ in judged if example.corpus == corpus]
            auc = roc_auc_score(
                [example.ai for example in examples],
                [score for example, score in judged if example.corpus == corpus],
                sample_weight=packs.weights(examples),
            )
            if logs is not None:
                logs[f"val_auc_{corpus}"] = auc


@contextmanager
def averaged(model: keras.Model) -> Iterator[None]:
    """Give a model that is being fitted its averaged weights for a while."""
    raw = model.get_weights()
    model.optimizer.finalize_variable_values(model.trainable_variables)
    yield
    model.set_weights(raw)


def serving_views(images: packs.Images, view: View, indices: list[int]) -> Pixels:
    """Make the views of images as serving does, shape (images, views, height, width, 3)."""
    return np.stack([view.serve(prepare(images.pixels(i))) for i in indices])


def logits(model: keras.Model, views: Pixels) -> NDArray[np.float32]:
    """Return each image's mean logit over its views, as the runtime does."""
    flat = views.reshape(-1, *views.shape[2:])
    answers: NDArray[np.float32] = model.predict(flat, batch_size=32, verbose=0)
    means: NDArray[np.float32] = answers.reshape(views.shape[:2]).mean(axis=1)
    return means


def build(config: Config) -> keras.Model:
    """Build the member as its configuration begins it, ready to be fitted to ``Batches``.

    Returns:
        A model of one output, ``logit``; with a teacher of another one too, ``hint``, which shares
        every layer but the last with it.
    """
    member = MEMBERS[config.member].build()
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
    """Return AdamW with an average of the weights, a warm-up and a cosine."""
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


def loss(schedule: Schedule) -> keras.losses.Loss:
    """Return the cross-entropy with smoothed labels, of logits."""
    return keras.losses.BinaryCrossentropy(
        from_logits=True, label_smoothing=schedule.label_smoothing
    )


def member_of(model: keras.Model) -> keras.Model:
    """Return the member inside a model of ``build``; both share their weights."""
    return keras.Model(model.input, model.get_layer("logit").output, name=model.name)


def train(config: Config, places: Places) -> None:
    """Train the member, or go on with it.

    Leaves ``final.weights.h5``, ``training.json`` and ``log.csv``.
    """
    own_data = places.data.is_file()
    if own_data:  # The teacher knows the packs alone.
        config = config.model_copy(update={"distilled": False})
    run = places.run(config.member)
    run.mkdir(parents=True, exist_ok=True)
    (run / "training.json").write_text(config.model_dump_json())
    view = MEMBERS[config.member].view
    load = manifest.load if own_data else packs.load
    images = load("train", places.data, places.cache)
    validation = Validation(load("val", places.data, places.cache), view)

    keras.utils.set_random_seed(config.seed)
    model = build(config)
    # The logger comes after the validation, whose figures it writes.
    checkpoint = Checkpoint(run)
    epoch = checkpoint.restore(model)
    teacher = read_teacher(places) if config.distilled else None
    model.fit(
        Batches(images, view, config, epoch, teacher),
        epochs=config.epochs,
        initial_epoch=epoch,
        callbacks=[validation, callbacks.CSVLogger(str(run / "log.csv"), append=True), checkpoint],
        verbose=1 if sys.stdout.isatty() else 2,
    )
    # Keras leaves the averaged weights in the model at the end of fit().
    member_of(model).save_weights(run / "final.weights.h5")


class Checkpoint(callbacks.Callback):  # type: ignore[misc]
    """Keeps the last whole epoch: weights, the optimizer's state and the epoch's number."""

    def __init__(self, run: Path) -> None:
        super().__init__()
        self._run = run

    def restore(self, model: keras.Model) -> int:
        """Give a compiled model its last state; returns the number of epochs done."""
        done = sorted(self._run.glob("epoch-*.weights.h5"))
        if not done:
            return 0
        model.optimizer.build(model.trainable_variables)
        model.load_weights(done[-1])
        return int(done[-1].name.split(".")[0].removeprefix("epoch-"))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Write beside, then rename: a run killed in the middle leaves the one before."""
        path = self._run / f"epoch-{epoch + 1:03}.weights.h5"
        unfinished = self._run / "unfinished.weights.h5"
        self.model.save_weights(unfinished)
        unfinished.rename(path)
        for old in self._run.glob("epoch-*.weights.h5"):
            if old != path:
                old.unlink()


def _freeze(model: keras.Model, blocks: int) -> None:
    """Keep the stem and the first blocks, and the statistics of every normalisation of the body.

    Early blocks cost the most, and see edges and grain that ImageNet has taught them; statistics
    of batches of 32 would only be noisier than ImageNet's.
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
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    add_arguments(parser)
    arguments = parser.parse_args()
    train(read_config(arguments.config), Places.of(arguments))


if __name__ == "__main__":
    main()
