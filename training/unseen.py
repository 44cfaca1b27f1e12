"""What heads of ``clip`` said of images whose sources they had not seen.

``val`` flatters: its sources are easier than most. Logits that are unseen in this sense exist for
the sources of ``train`` as well, and together they tell how sure one may be.
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
from training.places import Places


@dataclass(frozen=True)
class Unseen:
    """Logits of views; each by a head that knew no image of the same source.

    Args:
        views: of each split, the features that they are logits of.
        logits: of each split, shape (rows,).
    """

    views: dict[packs.Split, Features]
    logits: dict[packs.Split, Floats]

    def of(self, split: packs.Split, examples: Sequence[packs.Example], condition: str) -> Floats:
        """Return the logits of a split's images in a condition.

        Raises:
            KeyError: there is none for one of them.
        """
        views = self.views[split]
        rows = zip(views.examples, views.conditions, self.logits[split], strict=True)
        known = {example: logit for example, each, logit in rows if each == condition}
        return np.array([known[example] for example in examples])


def write(logits: dict[packs.Split, Floats], places: Places) -> None:
    """Leave the logits for ``read``; the rows are those of each split's features."""
    np.savez(_file(places), **logits)  # type: ignore[arg-type]  # Its stub forgets the names.


def read(places: Places) -> Unseen:
    """Read what ``training.probe`` left.

    Raises:
        FileNotFoundError: it has not run.
    """
    with np.load(_file(places)) as kept:
        logits = {cast("packs.Split", split): kept[split] for split in kept.files}
    return Unseen({split: features.load(split, places) for split in logits}, logits)


def _file(places: Places) -> Path:
    return places.run("clip") / "unseen.npz"
