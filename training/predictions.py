"""The ensemble's predictions for a split in one tier. All metrics and plots use them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.ensemble import decide, sigmoid
from models.manifest import Manifest
from training.bootstrap import resample
from training.datasets import packs
from training.metrics import Floats, Truth
from training.scores import Scores

ENSEMBLE = "ensemble"

LIGHT = "light members"
"""Their stage alone, as in the cascade mode ``never``."""


@dataclass(frozen=True)
class Predictions:
    """Predictions for some images.

    Args:
        examples: the images.
        probabilities: by member, for the light members together and for the ensemble, each of shape
            (images,).
        labels: the ensemble's labels, shape (images,).
        early: whether the first stage decided, shape (images,).
    """

    examples: Sequence[packs.Example]
    probabilities: dict[str, Floats]
    labels: NDArray[Any]
    early: NDArray[np.bool_]

    @cached_property
    def ai(self) -> Truth:
        """The truth."""
        return np.array([example.ai for example in self.examples])

    @cached_property
    def sample_weight(self) -> Floats:
        """Each image's weight. Within a label, all sources have the same weight."""
        return packs.weights(self.examples)

    @cached_property
    def source(self) -> NDArray[np.str_]:
        """Each image's source."""
        return np.array([example.source for example in self.examples])

    @cached_property
    def resampled_weights(self) -> Floats:
        """The weights of the sample and of its resamples, shape (1 + resamples, images)."""
        return resample(self.source, self.ai, self.sample_weight)

    @property
    def ensemble(self) -> Floats:
        """The ensemble's probabilities."""
        return self.probabilities[ENSEMBLE]

    def take(self, which: NDArray[Any]) -> Predictions:
        """Return some of the images, by mask or by indices."""
        return Predictions(
            [self.examples[index] for index in np.arange(len(self.examples))[which]],
            {name: values[which] for name, values in self.probabilities.items()},
            self.labels[which],
            self.early[which],
        )

    def of_pack(self, pack: str) -> Predictions:
        """Return the images of one pack."""
        return self.take(np.array([example.pack == pack for example in self.examples]))


def predict(manifest: Manifest, scores: Scores) -> Predictions:
    """Decide from the members' logits, as in production."""
    rows = [
        {name: float(logits[row]) for name, logits in scores.logits.items()}
        for row in range(len(scores.examples))
    ]
    results = [decide(manifest, "always", row.__getitem__) for row in rows]
    light = [decide(manifest, "never", row.__getitem__).probability for row in rows]
    scales = {member.name: member.calibration for member in manifest.members}
    probabilities = {
        name: np.array(
            [sigmoid(scales[name].slope * row[name] + scales[name].intercept) for row in rows]
        )
        for name in scores.logits
    }
    probabilities[LIGHT] = np.array(light)
    probabilities[ENSEMBLE] = np.array([result.probability for result in results])
    last = manifest.stages[-1].weights
    return Predictions(
        scores.examples,
        probabilities,
        np.array([result.label for result in results]),
        np.array([not last.keys() <= result.members.keys() for result in results]),
    )
