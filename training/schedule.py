"""The training schedule that all networks share: length, learning rate, loss, weight average."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import keras
from pydantic import BaseModel, ConfigDict, Field


class Schedule(BaseModel):
    """Length and learning rate of a training."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int
    epochs: int = Field(gt=0)
    images_per_epoch: int = Field(gt=0)
    batch: int = Field(gt=0, multiple_of=2)
    peak_rate: float = Field(gt=0, description="Learning rate after the warm-up.")
    weight_decay: float = Field(ge=0)
    label_smoothing: float = 0.05
    ema_momentum: float = Field(default=0.99, description="Of the moving average of the weights.")

    @property
    def steps_per_epoch(self) -> int:
        """Batches per epoch."""
        return self.images_per_epoch // self.batch


def loss(schedule: Schedule) -> keras.losses.Loss:
    """Return the binary cross-entropy on logits, with label smoothing."""
    return keras.losses.BinaryCrossentropy(
        from_logits=True, label_smoothing=schedule.label_smoothing
    )


@contextmanager
def averaged(model: keras.Model) -> Iterator[None]:
    """Set the averaged weights on a model in training, and restore the raw weights afterwards."""
    raw = model.get_weights()
    model.optimizer.finalize_variable_values(model.trainable_variables)
    yield
    model.set_weights(raw)
