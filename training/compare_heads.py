"""Compares heads for the CLIP encoder: ``python -m training.compare_heads``.

Each recipe is evaluated twice, on modern images of ``train`` and ``val``: on random folds by owner,
and with whole kinds of sources held out (``training.kinds``). The first is optimistic, because a
new source often resembles training sources of its kind. So the choice follows the second. Each
source has the same weight, and so has each group of kinds.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from models.members import clip
from training import kinds, metrics, operating_points, recipes
from training.bootstrap import estimate, resample
from training.datasets import packs
from training.evaluate import REPORT
from training.features import Features
from training.markdown import interval, table
from training.metrics import Floats
from training.paths import Paths, add_arguments
from training.recipes import DEEP, SHIPPED, Groups, Logits, Recipe, Regression
from training.scores import TIERS

STRENGTHS = (0.0003, 0.001, 0.003)

CLEAN = tuple(replace(part, tiers=("clean",)) for part in SHIPPED["clip"].parts)
MODERN = tuple(replace(part, older=False) for part in SHIPPED["clip"].parts)

RECIPES = (
    SHIPPED["clip_shallow"],
    SHIPPED["clip"],
    Recipe("blocks 8, 10, 12", (Regression((8, 10, 12)),)),
    Recipe("blocks 6, 8, 10, 12", (DEEP,)),
    Recipe("mean of one per block, 6 to 12", tuple(Regression((at,)) for at in range(6, 13))),
    Recipe("as shipped, fitted to clean views only", CLEAN),
    Recipe("as shipped, without the older pack", MODERN),
)
"""The first is the baseline. Labels and early exits are reported for the first two."""


@dataclass(frozen=True)
class Measures:
    """AUC, and TPR at 95 % TNR, of the sample and its resamples, shape (1 + resamples,)."""

    auc: Floats
    tpr: Floats

    def less(self, other: Measures) -> Measures:
        """Return the paired gain over other measures of the same images."""
        return Measures(self.auc - other.auc, self.tpr - other.tpr)

    def cells(self) -> tuple[str, str]:
        """Format both with their intervals."""
        return interval(estimate(self.auc)), interval(estimate(self.tpr))


def measure(examples: Sequence[packs.Example], logits: Floats) -> Measures:
    """Measure one group of images."""
    ai = np.array([example.ai for example in examples])
    source = np.array([example.source for example in examples])
    resampled_weights = resample(source, ai, packs.weights(examples))
    return Measures(
        metrics.auc(ai, logits, resampled_weights),
        metrics.tpr_at_tnr(ai, logits, resampled_weights),
    )


def mean(parts: Sequence[Measures]) -> Measures:
    """Return the unweighted mean over groups. They are resampled independently."""
    shortest = min(len(part.auc) for part in parts)
    return Measures(
        np.mean([part.auc[:shortest] for part in parts], axis=0),
        np.mean([part.tpr[:shortest] for part in parts], axis=0),
    )


def by_group(known: Features, logits: Floats, groups: Groups, tier: str) -> dict[str, Measures]:
    """Measure each group in one tier."""
    found = {}
    for group in sorted(set(groups) - {""}):
        rows = np.flatnonzero((groups == group) & (known.tiers == tier))
        if len(rows):
            found[group] = measure([known.examples[row] for row in rows], logits[rows])
    return found


@dataclass(frozen=True)
class RecipeScores:
    """A recipe at one strength: its measures on pooled random folds and on held-out kinds.

    Args:
        recipe: the recipe.
        strength: inverse regularisation strength of its heads.
        random: on random folds, by tier.
        kinds: by tier and group of kinds.
        logits: out-of-fold logits of all views, by scheme: ``folds`` or ``kinds``.
    """

    recipe: Recipe
    strength: float
    random: dict[str, Measures]
    kinds: dict[str, dict[str, Measures]]
    logits: dict[str, Floats]

    def held_out_kinds(self, tier: str) -> Measures:
        """Return the mean over the groups of kinds."""
        return mean(list(self.kinds[tier].values()))


def evaluate(recipe: Recipe, strength: float, known: Features, logits: Logits) -> RecipeScores:
    """Evaluate a recipe in every tier that has views."""
    found = logits.by_scheme(recipe, strength)
    apart = kinds.held_out(known.examples)
    modern = np.where(apart == "", "", "all")
    tiers = [tier for tier in TIERS if (known.tiers == tier).any()]
    return RecipeScores(
        recipe,
        strength,
        {tier: by_group(known, found["folds"], modern, tier)["all"] for tier in tiers},
        {tier: by_group(known, found["kinds"], apart, tier) for tier in tiers},
        found,
    )


def favoured(tried: Sequence[RecipeScores]) -> list[RecipeScores]:
    """Return each recipe once, at the strength with the best AUC on held-out kinds."""
    best: dict[str, RecipeScores] = {}
    for each in tried:
        known = best.setdefault(each.recipe.name, each)
        if each.held_out_kinds("clean").auc[0] > known.held_out_kinds("clean").auc[0]:
            best[each.recipe.name] = each
    return list(best.values())


def report(tried: Sequence[RecipeScores], title: str) -> str:
    """Format the results, each recipe at its best strength."""
    chosen = favoured(tried)
    first = chosen[0]
    tiers = list(first.kinds)
    lines = [title]
    titles = ("recipe", "strength", "folds: AUC", "TPR", "kinds: AUC", "TPR")
    overall = [
        (
            each.recipe.name,
            each.strength,
            *each.random["clean"].cells(),
            *each.held_out_kinds("clean").cells(),
        )
        for each in chosen
    ]
    lines.append(table(titles, overall))
    lines.append("Paired gain over the first recipe on held-out kinds:\n")
    gains = [
        (
            each.recipe.name,
            *(
                cell
                for tier in tiers
                for cell in each.held_out_kinds(tier).less(first.held_out_kinds(tier)).cells()
            ),
        )
        for each in chosen[1:]
    ]
    lines.append(
        table(("recipe", *(f"{tier}: {what}" for tier in tiers for what in ("AUC", "TPR"))), gains)
    )
    lines.append("Each group of kinds, clean, AUC / TPR:\n")
    groups = list(first.kinds["clean"])
    apart = [
        (
            each.recipe.name,
            *(
                f"{found.auc[0]:.3f} / {found.tpr[0]:.2f}"
                for found in (each.kinds["clean"][group] for group in groups)
            ),
        )
        for each in chosen
    ]
    lines.append(table(("recipe", *groups), apart))
    lines.append("Every strength, clean, AUC / TPR:\n")
    every = [
        (
            each.recipe.name,
            each.strength,
            *(
                f"{found.auc[0]:.4f} / {found.tpr[0]:.3f}"
                for found in (each.random["clean"], each.held_out_kinds("clean"))
            ),
        )
        for each in tried
    ]
    lines.append(table(("recipe", "strength", "folds", "kinds"), every))
    return "\n".join(lines)


_TITLE = """\
# Heads for the CLIP encoder

`python -m training.compare_heads`: logistic regressions on class token and patch mean, fitted to
`train` and `val`. *Folds*: five random folds by owner, pooled. *Kinds*: whole kinds of sources held
out (`training/kinds.py`), mean over the groups. TPR is at 95 % TNR. Each source has the same
weight. Brackets hold 95 % intervals over sources.
"""

_LABELS = """\
## Labels

The recipe: {}. The thresholds are set so that two limits hold in every tier.
At most 4 % of real photographs, and of real art, are labelled `ai`. At most 8 % of the images
labelled `real` are AI.
"""

_EXITS = """\
## Early exits

The most confident images stop after block {} and are classified by: {}. The table has the loss
against the other recipe over all tiers, and the cost per image relative to the full encoder.
"""


def main() -> None:
    """Parse the command line, fit what is not cached, and write ``choice.md``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--report", type=Path, default=REPORT, help="folder for the tables")
    parser.add_argument("--strengths", type=float, nargs="+", default=STRENGTHS)
    add_arguments(parser)
    arguments = parser.parse_args()
    paths = Paths.of(arguments)
    known = recipes.load(paths)
    logits = Logits(known, paths)
    tried = [
        evaluate(recipe, strength, known, logits)
        for recipe in RECIPES
        for strength in arguments.strengths
    ]
    chosen = favoured(tried)
    shallow, deep, *_ = chosen
    consequences = [
        report(tried, _TITLE),
        _LABELS.format(deep.recipe.name),
        operating_points.label_table(deep.logits, known),
        _EXITS.format(max(clip.LOWER), shallow.recipe.name),
        operating_points.exit_table(shallow.logits, deep.logits, known, max(clip.LOWER)),
    ]
    (arguments.report / "choice.md").write_text("\n".join(consequences))


if __name__ == "__main__":
    main()
