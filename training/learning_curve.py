"""Measures what more sources bring: ``python -m training.learning_curve``.

The shipped recipe is fitted to the clean images of some of the owners, and evaluated on held-out
kinds. The owners are drawn at random, three times for each fraction.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from training import compare_heads, kinds, recipes
from training.evaluate import REPORT
from training.features import Features
from training.markdown import table
from training.paths import Paths, add_arguments
from training.recipes import SHIPPED, Logits, Recipe

FRACTIONS = (0.125, 0.25, 0.5, 1.0)
DRAWS = 3

_HEAD = """\
# Learning curve

`python -m training.learning_curve`: `clip`, fitted to the clean images of a random part of the
owners, and evaluated on clean images of held-out kinds. Mean and range of three draws. TPR is at
95 % TNR.

"""


def points(known: Features, fraction: float, paths: Paths) -> list[tuple[float, float]]:
    """Return AUC and TPR on held-out kinds for each draw of the owners.

    Args:
        known: clean views.
        fraction: of the owners that heads are fitted to.
        paths: where the fits are cached.
    """
    owner = np.array([example.source.split("/")[0] for example in known.examples])
    owners = np.unique(owner)
    groups = kinds.held_out(known.examples)
    parts = tuple(replace(part, tiers=("clean",)) for part in SHIPPED["clip"].parts)
    recipe = Recipe("clean", parts)
    found = []
    for draw in range(1 if fraction == 1 else DRAWS):
        rng = np.random.default_rng(draw)
        taken = np.isin(owner, rng.choice(owners, round(fraction * len(owners)), replace=False))
        logits = np.full(len(owner), np.nan)
        for group in kinds.HELD_OUT:
            # All images of the group are evaluated, but only the others' owners are drawn.
            rows = np.flatnonzero(taken | (groups == group))
            apart = np.where(groups[rows] == group, group, "")
            logits[groups == group] = Logits(known.take(rows), paths).of(recipe, apart)[
                apart == group
            ]
        measured = compare_heads.mean(
            list(compare_heads.by_group(known, logits, groups, "clean").values())
        )
        found.append((float(measured.auc[0]), float(measured.tpr[0])))
    return found


def report(curve: Sequence[tuple[float, int, Sequence[tuple[float, float]]]]) -> str:
    """Format fractions, numbers of owners, and the measures of each draw."""
    rows = []
    for fraction, owners, found in curve:
        spans = []
        for values in zip(*found, strict=True):
            spread = f" ({min(values):.3f}–{max(values):.3f})" if len(values) > 1 else ""
            spans.append(f"{np.mean(values):.3f}{spread}")
        rows.append((f"{fraction:g}", owners, *spans))
    return table(("fraction", "owners", "AUC", "TPR"), rows)


def main() -> None:
    """Parse the command line, fit, and write ``learning_curve.md``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--report", type=Path, default=REPORT, help="folder for the table")
    add_arguments(parser)
    arguments = parser.parse_args()
    paths = Paths.of(arguments)
    known = recipes.load(paths)
    known = known.take(np.flatnonzero(known.tiers == "clean"))
    owners = len({example.source.split("/")[0] for example in known.examples})
    curve = [
        (fraction, round(fraction * owners), points(known, fraction, paths))
        for fraction in FRACTIONS
    ]
    (arguments.report / "learning_curve.md").write_text(_HEAD + report(curve))


if __name__ == "__main__":
    main()
