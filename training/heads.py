"""Fits the heads for ``training.tune``: ``python -m training.heads --config FILE``.

Each head is a logistic regression on the frozen encoder's features of ``train``, without one fold
of the owners. ``training.tune`` needs only this small file, not the features.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training import features, kinds, recipes
from training.datasets import packs
from training.paths import Paths, add_arguments
from training.tune import Config, heads_file, name_of, read_config

FOLDS = 5


def fold_of(examples: Sequence[packs.Example], held_out: str = "") -> NDArray[np.int64]:
    """Assign the owners of all packs to folds. Held-out kinds get -1.

    Args:
        examples: of ``train``.
        held_out: a key of ``kinds.HELD_OUT``. "" holds out nothing.
    """
    owner = np.array([example.source.split("/")[0] for example in examples])
    owners = np.random.default_rng(0).permutation(np.unique(owner))
    fold_by_owner = {name: at % FOLDS for at, name in enumerate(owners.tolist())}
    fold = np.array([fold_by_owner[name] for name in owner.tolist()])
    if held_out:
        fold[kinds.held_out(examples) == held_out] = -1
    return fold


def fit(config: Config, known: features.Features, paths: Paths) -> None:
    """Fit the heads and save them for ``training.tune``.

    Args:
        config: of the run.
        known: features of ``train``, of the blocks that the heads use.
        paths: where the data is and where the heads go.
    """
    examples = packs.load("train", paths.data, paths.cache).examples
    fold = fold_of(examples, config.held_out)
    fold_by_owner = {(each.pack, each.name): at for at, each in enumerate(examples)}
    own = fold[[fold_by_owner[each.pack, each.name] for each in known.examples]]
    heads = []
    for number in range(FOLDS):
        others = np.flatnonzero((own != number) & (own != -1))
        heads.append(recipes.fit(known.take(others), config.strength))
    file = heads_file(config, paths)
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        file,
        weights=np.stack([head.weights for head in heads], axis=1),
        intercepts=[head.intercept for head in heads],
        names=[name_of(example) for example in examples],
        fold=fold,
    )


def main() -> None:
    """Parse the command line and fit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    add_arguments(parser)
    arguments = parser.parse_args()
    paths, config = Paths.of(arguments), read_config(arguments.config)
    fit(config, features.load("train", paths).at(config.depths), paths)


if __name__ == "__main__":
    main()
