"""Fits the head of ``clip`` on its frozen tower: ``python -m training.probe``.

One logistic regression on the class token and the mean of the patches, at every depth of
``clip.DEPTHS``; each source weighs the same. How hard to regularise is read off predictions for
sources that the fit has not seen. With frozen features this takes minutes, generalises as well as
fine-tuning did, and lets every image be judged by a fit that does not know its source.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray
from rich.progress import track
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler

from training import features, metrics, teacher, unseen
from training.clip import pretrained
from training.datasets import packs
from training.features import Features
from training.metrics import Floats
from training.places import Places, add_arguments

FOLDS = 5
STRENGTHS = (0.0003, 0.0005, 0.001, 0.002)
"""Inverse strengths of the regularisation that are tried."""


@dataclass(frozen=True)
class Head:
    """The member's last layer.

    Args:
        weights: shape (``features.WIDTH``,), for features as the tower gives them.
        intercept: added to the product.
    """

    weights: Floats
    intercept: float

    def __call__(self, values: NDArray[np.float32]) -> Floats:
        """Return the logits of features of shape (rows, ``features.WIDTH``)."""
        answers: Floats = values @ self.weights + self.intercept
        return answers


def joined(parts: Sequence[Features]) -> Features:
    """Put the features of several splits together."""
    return Features(
        examples=[example for part in parts for example in part.examples],
        conditions=np.concatenate([part.conditions for part in parts]),
        values=np.concatenate([part.values for part in parts]),
    )


def fit(known: Features, strength: float) -> Head:
    """Fit the head to all rows of ``known``."""
    share = packs.weights(known.examples)
    scaler = StandardScaler().fit(known.values)
    regression = LogisticRegression(C=strength, max_iter=200, tol=1e-3).fit(
        scaler.transform(known.values),
        [example.ai for example in known.examples],
        sample_weight=share / share.mean(),
    )
    weights = regression.coef_[0] / scaler.scale_
    return Head(weights, float(regression.intercept_[0] - weights @ scaler.mean_))


def cross_fit(known: Features, strength: float, folds: int = FOLDS) -> Floats:
    """Return each row's logit by a head that has seen no image of its source."""
    sources = np.array([example.source for example in known.examples])
    answers = np.empty(len(sources))
    splits = GroupKFold(folds, shuffle=True, random_state=0).split(sources, groups=sources)
    for seen, left in track(splits, total=folds, description=f"strength {strength}"):
        answers[left] = fit(known.take(seen), strength)(known.values[left])
    return answers


def choose(known: Features, strengths: Sequence[float] = STRENGTHS) -> tuple[float, Floats]:
    """Choose the strength whose unseen logits of modern images have the highest AUC.

    Returns:
        The strength, and each row's unseen logit with it.
    """
    modern = np.array([example.pack == "modern" for example in known.examples])
    examples = [example for example in known.examples if example.pack == "modern"]
    ai, share = np.array([example.ai for example in examples]), packs.weights(examples)
    tried = {strength: cross_fit(known, strength) for strength in strengths}
    for strength, answers in tried.items():
        print(
            f"strength {strength}: AUC {float(metrics.auc(ai, answers[modern], share)):.4f}, unseen"
        )
    best = max(tried, key=lambda strength: float(metrics.auc(ai, tried[strength][modern], share)))
    return best, tried[best]


def build(head: Head, places: Places) -> keras.Model:
    """Build the whole member: the tower with CLIP's weights, and the head."""
    member = pretrained(places.run("clip"))
    member.get_layer("logit").set_weights(
        [head.weights.astype(np.float32)[:, None], np.array([head.intercept], np.float32)]
    )
    return member


def main() -> None:
    """Read the command line, fit the head and leave what it teaches the other members."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--splits",
        nargs="+",
        choices=("train", "val", "test"),
        default=["train"],
        help="what to fit to; test, once the figures are taken",
    )
    add_arguments(parser)
    arguments = parser.parse_args()
    places = Places.of(arguments)
    keras.utils.set_random_seed(0)
    splits: list[packs.Split] = arguments.splits
    parts = [features.load(split, places) for split in splits]
    known = joined(parts)
    strength, answers = choose(known)
    run = places.run("clip")
    run.mkdir(parents=True, exist_ok=True)
    build(fit(known, strength), places).save_weights(run / "final.weights.h5")
    ends = np.cumsum([len(part.examples) for part in parts])[:-1]
    unseen.write(dict(zip(splits, np.split(answers, ends), strict=True)), places)
    if splits == ["train"]:
        teacher.write(known, answers, places)
    facts = {
        "member": "clip",
        "splits": splits,
        "strength": strength,
        "views": len(answers),
        "integers": False,
    }
    (run / "training.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    main()
