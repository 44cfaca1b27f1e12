"""A split in one tier as the ensemble judged it: what every measure and plot is made of."""

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
class Judged:
    """Images and what was said of them.

    Args:
        examples: the images.
        probabilities: each member's probability for each of them, and the ensemble's.
        labels: the ensemble's label for each of them.
    """

    examples: Sequence[packs.Example]
    probabilities: dict[str, Floats]
    labels: NDArray[Any]

    @cached_property
    def ai(self) -> Truth:
        """The truth."""
        return np.array([example.ai for example in self.examples])

    @cached_property
    def share(self) -> Floats:
        """Each image's weight among these: each source's is the same within its label."""
        return packs.weights(self.examples)

    @cached_property
    def source(self) -> NDArray[np.str_]:
        """Where each image comes from."""
        return np.array([example.source for example in self.examples])

    @cached_property
    def shares(self) -> Floats:
        """The weights of this sample and its resamples, shape (1 + resamples, images)."""
        return resample(self.source, self.ai, self.share)

    @property
    def ensemble(self) -> Floats:
        """The ensemble's probabilities."""
        return self.probabilities[ENSEMBLE]

    def take(self, which: NDArray[Any]) -> Judged:
        """Return some of the images, by a mask or in an order of indices."""
        return Judged(
            [self.examples[index] for index in np.arange(len(self.examples))[which]],
            {name: values[which] for name, values in self.probabilities.items()},
            self.labels[which],
        )

    def of_pack(self, pack: str) -> Judged:
        """Return the images of one pack."""
        return self.take(np.array([example.pack == pack for example in self.examples]))


def judge(manifest: Manifest, scores: Scores) -> Judged:
    """Combine the members' logits as serving does."""
    judgements = [
        combine(manifest, {name: float(values[i]) for name, values in scores.logits.items()})
        for i in range(len(scores.examples))
    ]
    probabilities = {
        name: np.array([judgement.members[name] for judgement in judgements])
        for name in scores.logits
    }
    probabilities[ENSEMBLE] = np.array([judgement.probability for judgement in judgements])
    labels = np.array([judgement.label for judgement in judgements])
    return Judged(scores.examples, probabilities, labels)
