"""Out-of-fold logits of ``clip``: the head has not seen the image's source.

``val`` is optimistic, because its sources are easier than most. Out-of-fold logits exist for
``train`` as well. Together they give a better calibration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from training import features
from training.datasets import packs
from training.features import Features
from training.metrics import Floats
from training.paths import Paths


@dataclass(frozen=True)
class OutOfFold:
    """Out-of-fold logits.

    Args:
        views: the features of each split.
        logits: of each split, shape (rows,).
    """

    views: dict[packs.Split, Features]
    logits: dict[packs.Split, Floats]

    def of(self, split: packs.Split, examples: Sequence[packs.Example], condition: str) -> Floats:
        """Return the logits of a split's images in one condition.

        Raises:
            KeyError: an image has no logit.
        """
        views = self.views[split]
        rows = zip(views.examples, views.conditions, self.logits[split], strict=True)
        known = {example: logit for example, each, logit in rows if each == condition}
        return np.array([known[example] for example in examples])


def write(logits: dict[packs.Split, Floats], paths: Paths) -> None:
    """Save the logits. Their rows are those of each split's features."""
    np.savez(_file(paths), **logits)  # type: ignore[arg-type]  # Its stub forgets the names.


def read(paths: Paths) -> OutOfFold:
    """Load the logits that ``training.probe`` saved.

    Raises:
        FileNotFoundError: ``training.probe`` has not run.
    """
    with np.load(_file(paths)) as kept:
        logits = {cast("packs.Split", split): kept[split] for split in kept.files}
    return OutOfFold({split: features.load(split, paths) for split in logits}, logits)


def _file(paths: Paths) -> Path:
    return paths.run("clip") / "unseen.npz"
