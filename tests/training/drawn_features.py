"""Synthetic features of sources whose kinds are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.datasets.packs import Example
from training.features import DEPTHS, Features

KINDS = ("gallery", "portfolio", "quiz", "art", "game", "builder", "stock")
SOURCES, EACH = 42, 4


@dataclass(frozen=True)
class Drawn:
    """The features, and the kind of each modern source."""

    known: Features
    kinds: dict[str, str]


def draw(tiers: tuple[str, ...] = ("clean",)) -> Drawn:
    """Two sources per owner, one of each label. The last block predicts the label best.

    Each block has two features.
    """
    rng = np.random.default_rng(0)
    examples = [
        Example("modern", f"{i}-{j}", i % 2 == 0, "photo", f"owner{i // 2}/s{i}", "")
        for i in range(SOURCES)
        for j in range(EACH)
    ]
    examples += [Example("images", f"old{i}", i % 2 == 0, "art", f"old{i}", "") for i in range(8)]
    side = np.array([1.0 if example.ai else -1.0 for example in examples * len(tiers)])
    values = rng.normal(size=(len(side), 2 * len(DEPTHS)))
    values[:, 0] += 0.5 * side
    values[:, -1] += 2.5 * side
    known = Features(
        examples * len(tiers), np.repeat(tiers, len(examples)), values.astype(np.float32)
    )
    return Drawn(known, {f"owner{i // 2}/s{i}": KINDS[i // 2 % len(KINDS)] for i in range(SOURCES)})
