"""Recipes for heads on the CLIP encoder, and their out-of-fold logits.

There are two ways to hold images out: random folds by owner, and whole kinds of sources
(``training.kinds``). The first is optimistic, because a new source often resembles training sources
of its kind.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler

from models.networks import Head
from training import features, kinds
from training.datasets import packs
from training.features import PER_DEPTH, Features
from training.metrics import Floats
from training.paths import Paths
from training.scores import TIERS

FOLDS = 5
STRENGTH = 0.001
"""Inverse regularisation strength of the shipped heads, chosen by ``training.compare_heads``."""

Groups = NDArray[np.str_]


@dataclass(frozen=True)
class Regression:
    """One logistic regression.

    Args:
        depths: the blocks whose features it uses, counted from 1.
        tiers: the tiers of the views that it is fitted to.
        older: whether it is also fitted to the older pack.
    """

    depths: tuple[int, ...]
    tiers: tuple[str, ...] = tuple(TIERS)
    older: bool = True

    def rows(self, known: Features) -> NDArray[np.bool_]:
        """Return the rows that it may be fitted to."""
        modern = np.array([example.pack == "modern" for example in known.examples])
        return np.isin(known.tiers, self.tiers) & (modern | self.older)


@dataclass(frozen=True)
class Recipe:
    """A combination of regressions: the mean of their logits."""

    name: str
    parts: tuple[Regression, ...]


SHALLOW, DEEP = Regression((6, 7, 8)), Regression((6, 8, 10, 12))

SHIPPED = {
    "clip_shallow": Recipe("blocks 6, 7, 8", (SHALLOW,)),
    "clip": Recipe("mean of blocks 6, 7, 8 and blocks 6, 8, 10, 12", (SHALLOW, DEEP)),
}
"""The recipe of each member that has a head."""


def load(paths: Paths) -> Features:
    """Return the features of ``train`` and ``val``."""
    return joined([features.load("train", paths), features.load("val", paths)])


def joined(parts: Sequence[Features]) -> Features:
    """Concatenate the features of several splits."""
    return Features(
        examples=[example for part in parts for example in part.examples],
        tiers=np.concatenate([part.tiers for part in parts]),
        values=np.concatenate([part.values for part in parts]),
    )


def fit(known: Features, strength: float = STRENGTH) -> Head:
    """Fit a logistic regression to all rows. Each source and label has the same weight."""
    sample_weight = packs.weights(known.examples)
    ai = np.array([example.ai for example in known.examples])
    return regress(known.values, ai, strength, sample_weight / sample_weight.mean())


def regress(
    values: NDArray[np.floating],
    ai: NDArray[np.bool_],
    strength: float,
    sample_weight: NDArray[np.float64] | None = None,
) -> Head:
    """Fit a logistic regression on standardised values, as a head that reads plain ones.

    Args:
        values: shape (rows, features).
        ai: shape (rows,).
        strength: inverse regularisation strength.
        sample_weight: shape (rows,). None: each row has the same weight.
    """
    scaler = StandardScaler().fit(values)
    regression = LogisticRegression(C=strength, max_iter=200, tol=1e-3).fit(
        scaler.transform(values), ai, sample_weight=sample_weight
    )
    weights = regression.coef_[0] / scaler.scale_
    intercept = float(regression.intercept_[0] - weights @ scaler.mean_)
    return Head(weights.astype(np.float32), intercept)


def fit_recipe(recipe: Recipe, known: Features, depths: Sequence[int]) -> Head:
    """Fit a recipe to all rows, as one head.

    Args:
        recipe: which regressions.
        known: the rows, with all stored blocks.
        depths: the blocks that the head reads, in their order.
    """
    weights = np.zeros((len(depths), PER_DEPTH), np.float32)
    intercept = 0.0
    for part in recipe.parts:
        head = fit(known.take(np.flatnonzero(part.rows(known))).at(part.depths))
        places = [list(depths).index(depth) for depth in part.depths]
        weights[places] += head.weights.reshape(-1, PER_DEPTH) / len(recipe.parts)
        intercept += head.intercept / len(recipe.parts)
    return Head(weights.ravel(), intercept)


def folds(examples: Sequence[packs.Example]) -> Groups:
    """Assign the owners of all sources to random folds."""
    owner = np.array([example.source.split("/")[0] for example in examples])
    names: Groups = np.full(len(examples), "", dtype="U8")
    splits = GroupKFold(FOLDS, shuffle=True, random_state=0).split(owner, groups=owner)
    for number, (_, held_out) in enumerate(splits, 1):
        names[held_out] = f"fold {number}"
    return names


class Logits:
    """Out-of-fold logits, cached on disk. The fit for a row has not seen its group or source.

    Args:
        known: all rows.
        paths: where the cache is.
    """

    def __init__(self, known: Features, paths: Paths) -> None:
        self._known = known
        self._folder = paths.run("recipes")
        self._source = np.array([example.source for example in known.examples])
        rows = [f"{each.pack}/{each.name}" for each in known.examples]
        self._rows = f"{rows} {known.tiers.tolist()}"

    def of(self, recipe: Recipe, groups: Groups, strength: float = STRENGTH) -> Floats:
        """Return the mean logits of a recipe's regressions.

        Args:
            recipe: which regressions.
            groups: each row's group, which is held out together. "" gives NaN.
            strength: inverse regularisation strength.
        """
        logits: Floats = np.mean(
            [self._cached(part, groups, strength) for part in recipe.parts], axis=0
        )
        return logits

    def by_scheme(self, recipe: Recipe, strength: float = STRENGTH) -> dict[str, Floats]:
        """Return the logits for ``folds`` and for ``kinds``. Older images have no kind."""
        examples = self._known.examples
        return {
            "folds": self.of(recipe, folds(examples), strength),
            "kinds": self.of(recipe, kinds.held_out(examples), strength),
        }

    def _cached(self, part: Regression, groups: Groups, strength: float) -> Floats:
        what = f"{part} {strength} {groups.tolist()} {self._rows}"
        file = self._folder / f"{hashlib.sha256(what.encode()).hexdigest()[:16]}.npy"
        if not file.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            features.save_array(file, self._fit(part, groups, strength))
        kept: Floats = np.load(file)
        return kept

    def _fit(self, part: Regression, groups: Groups, strength: float) -> Floats:
        known = self._known.at(part.depths)
        fitted = part.rows(known)
        logits = np.full(len(groups), np.nan)
        for group in sorted(set(groups) - {""}):
            held_out = groups == group
            others = fitted & ~np.isin(self._source, self._source[held_out])
            head = fit(known.take(np.flatnonzero(others)), strength)
            logits[held_out] = head(known.values[held_out])
            print(f"{part}, strength {strength}: {group}", flush=True)
        return logits
