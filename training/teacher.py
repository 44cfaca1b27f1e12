"""What CLIP teaches the light members: its opinion of each training image, and what it saw.

Knowledge distillation (Hinton et al., arXiv:1503.02531): the target is the mean of the truth and of
the opinion, which comes from a head that has not seen the image's source, so that it is no echo of
the truth. And hints (Romero et al., arXiv:1412.6550): while it trains, a member also foretells the
principal components of CLIP's features, which say more of an image than one number does.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from training.features import Features
from training.places import Places

HINTS = 64
"""Principal components that are foretold."""


@dataclass(frozen=True)
class Teacher:
    """Lessons for the images of ``train``.

    Args:
        names: of the images there are lessons for.
        opinions: probability of being AI-made, shape (images,).
        hints: components with a mean of 0 and a variance of 1, shape (images, ``HINTS``).
    """

    names: NDArray[np.str_]
    opinions: NDArray[np.float32]
    hints: NDArray[np.float32]


def write(known: Features, logits: NDArray[np.float64], places: Places) -> None:
    """Leave the lessons for ``read``.

    Args:
        known: features of the training images; the clean rows are used.
        logits: each row's logit by a head that has not seen its source.
        places: where to leave them.
    """
    clean = known.conditions == "clean"
    scaled = StandardScaler().fit_transform(known.values[clean])
    components = min(HINTS, *scaled.shape)
    hints = PCA(components, whiten=True, random_state=0).fit_transform(scaled)
    padded = np.zeros((len(hints), HINTS), np.float32)
    padded[:, :components] = hints
    np.savez(
        _file(places),
        names=[
            example.name
            for example, is_clean in zip(known.examples, clean, strict=True)
            if is_clean
        ],
        opinions=expit(logits[clean]).astype(np.float32),
        hints=padded,
    )


def read(places: Places) -> Teacher:
    """Read the lessons.

    Raises:
        FileNotFoundError: ``training.probe`` has not run.
    """
    with np.load(_file(places)) as kept:
        return Teacher(kept["names"], kept["opinions"], kept["hints"])


def _file(places: Places) -> Path:
    return places.run("clip") / "teacher.npz"
