"""Fits the heads on the frozen encoder: ``python -m training.probe``.

The heads are logistic regressions on class token and patch mean of some blocks, fitted to ``train``
and ``val``. With frozen features this takes minutes. It also saves the distillation targets of the
light members: their soft labels are out of fold.
"""

from __future__ import annotations

import argparse
import json

import numpy as np

from models.members import MEMBERS
from training import recipes, teacher
from training.datasets import packs
from training.paths import Paths, add_arguments
from training.recipes import SHIPPED, STRENGTH, Logits


def main() -> None:
    """Parse the command line, fit the heads, and save the targets for the light members."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    paths = Paths.of(parser.parse_args())
    known = recipes.load(paths)
    for name, recipe in SHIPPED.items():
        run = paths.run(name)
        run.mkdir(parents=True, exist_ok=True)
        head = recipes.fit_recipe(recipe, known, MEMBERS[name].depths)
        (run / "head.npy").write_bytes(head.to_bytes())
        facts = {"recipe": recipe.name, "strength": STRENGTH, "views": len(known.examples)}
        (run / "training.json").write_text(json.dumps({**facts, "splits": ["train", "val"]}))
    logits = Logits(known, paths).of(SHIPPED["clip"], recipes.folds(known.examples))
    train = {
        (each.pack, each.name) for each in packs.load("train", paths.data, paths.cache).examples
    }
    rows = np.flatnonzero([(each.pack, each.name) in train for each in known.examples])
    teacher.write(known.take(rows).at(MEMBERS["clip"].depths), logits[rows], paths)


if __name__ == "__main__":
    main()
