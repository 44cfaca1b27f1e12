"""The ensemble's predictions for a split in one tier. All metrics and plots use them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.ensemble import combine
from models.manifest import Manifest
from training.bootstrap import resample
from training.datasets import packs
from training.metrics import Floats, Truth
from training.scores import Scores

ENSEMBLE = "ensemble"


@dataclass(frozen=True)
class Predictions:
    """Predictions for some images.

    Args:
        examples: the images.
        probabilities: by member and for the ensemble, each of shape (images,).
        labels: the ensemble's labels, shape (images,).
    """

    examples: Sequence[packs.Example]
    probabilities: dict[str, Floats]
    labels: NDArray[Any]

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
        )

    def of_pack(self, pack: str) -> Predictions:
        """Return the images of one pack."""
        return self.take(np.array([example.pack == pack for example in self.examples]))


def predict(manifest: Manifest, scores: Scores) -> Predictions:
    """Combine the members' logits, as in production."""
    results = [
        combine(manifest, {name: float(values[i]) for name, values in scores.logits.items()})
        for i in range(len(scores.examples))
    ]
    probabilities = {
        name: np.array([result.members[name] for result in results]) for name in scores.logits
    }
    probabilities[ENSEMBLE] = np.array([result.probability for result in results])
    labels = np.array([result.label for result in results])
    return Predictions(scores.examples, probabilities, labels)
