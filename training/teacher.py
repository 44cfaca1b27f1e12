"""Distillation targets from CLIP for the light members: soft labels and hints.

Knowledge distillation (Hinton et al., arXiv:1503.02531): the target is the mean of the true label
and of a soft label. The soft label is out of fold, so it does not just repeat the true label.
Hints (Romero et al., arXiv:1412.6550): during training, a member also predicts the principal
components of CLIP's features, which carry more information than one number.
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
from training.paths import Paths

HINTS = 64
"""Number of predicted principal components."""


@dataclass(frozen=True)
class Teacher:
    """Distillation targets for the images of ``train``.

    Args:
        names: of the images.
        opinions: soft labels: out-of-fold probability of AI, shape (images,).
        hints: components with mean 0 and variance 1, shape (images, ``HINTS``).
    """

    names: NDArray[np.str_]
    opinions: NDArray[np.float32]
    hints: NDArray[np.float32]


def write(known: Features, logits: NDArray[np.float64], paths: Paths) -> None:
    """Save the targets.

    Args:
        known: features of the training images. Only the clean rows are used.
        logits: each row's out-of-fold logit.
        paths: where to save them.
    """
    clean = known.tiers == "clean"
    scaled = StandardScaler().fit_transform(known.values[clean])
    components = min(HINTS, *scaled.shape)
    hints = PCA(components, whiten=True, random_state=0).fit_transform(scaled)
    padded = np.zeros((len(hints), HINTS), np.float32)
    padded[:, :components] = hints
    np.savez(
        _file(paths),
        names=[
            example.name
            for example, is_clean in zip(known.examples, clean, strict=True)
            if is_clean
        ],
        opinions=expit(logits[clean]).astype(np.float32),
        hints=padded,
    )


def read(paths: Paths) -> Teacher:
    """Load the targets.

    Raises:
        FileNotFoundError: ``training.probe`` has not run.
    """
    with np.load(_file(paths)) as kept:
        return Teacher(kept["names"], kept["opinions"], kept["hints"])


def _file(paths: Paths) -> Path:
    return paths.run("clip") / "teacher.npz"
