"""Fits the head of ``clip`` on the frozen encoder: ``python -m training.probe``.

The head is a logistic regression on class token and patch mean of the blocks in ``clip.DEPTHS``.
Each source has the same weight. The regularisation strength is chosen by out-of-fold AUC. With
frozen features this takes minutes and generalises as well as fine-tuning. It also gives out-of-fold
logits for every image.
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

from models.members import clip
from training import features, metrics, out_of_fold, teacher
from training.clip_weights import pretrained
from training.datasets import packs
from training.features import Features
from training.metrics import Floats
from training.paths import Paths, add_arguments

FOLDS = 5
STRENGTHS = (0.0003, 0.0005, 0.001, 0.002)
"""Inverse regularisation strengths that are tried."""


@dataclass(frozen=True)
class Head:
    """The member's last layer.

    Args:
        weights: shape (width,), for the encoder's features without scaling.
        intercept: the bias.
    """

    weights: Floats
    intercept: float

    def __call__(self, values: NDArray[np.float32]) -> Floats:
        """Return the logits of features of shape (rows, width)."""
        answers: Floats = values @ self.weights + self.intercept
        return answers


def joined(parts: Sequence[Features]) -> Features:
    """Concatenate the features of several splits."""
    return Features(
        examples=[example for part in parts for example in part.examples],
        conditions=np.concatenate([part.conditions for part in parts]),
        values=np.concatenate([part.values for part in parts]),
    )


def fit(known: Features, strength: float) -> Head:
    """Fit the head to the rows of ``known`` in the conditions ``features.FITTED``."""
    known = known.of(features.FITTED)
    sample_weight = packs.weights(known.examples)
    scaler = StandardScaler().fit(known.values)
    regression = LogisticRegression(C=strength, max_iter=200, tol=1e-3).fit(
        scaler.transform(known.values),
        [example.ai for example in known.examples],
        sample_weight=sample_weight / sample_weight.mean(),
    )
    weights = regression.coef_[0] / scaler.scale_
    return Head(weights, float(regression.intercept_[0] - weights @ scaler.mean_))


def cross_fit(known: Features, strength: float, folds: int = FOLDS) -> Floats:
    """Return each row's out-of-fold logit, with whole sources per fold."""
    sources = np.array([example.source for example in known.examples])
    answers = np.empty(len(sources))
    splits = GroupKFold(folds, shuffle=True, random_state=0).split(sources, groups=sources)
    for seen, left in track(splits, total=folds, description=f"strength {strength}"):
        answers[left] = fit(known.take(seen), strength)(known.values[left])
    return answers


def choose(known: Features, strengths: Sequence[float] = STRENGTHS) -> tuple[float, Floats]:
    """Choose the strength with the best out-of-fold AUC on modern images.

    Returns:
        The inverse strength, and each row's out-of-fold logit.
    """
    modern = np.array([example.pack == "modern" for example in known.examples])
    examples = [example for example in known.examples if example.pack == "modern"]
    ai, sample_weight = np.array([example.ai for example in examples]), packs.weights(examples)
    tried = {strength: cross_fit(known, strength) for strength in strengths}
    for strength, answers in tried.items():
        auc = float(metrics.auc(ai, answers[modern], sample_weight))
        print(f"strength {strength}: out-of-fold AUC {auc:.4f}")
    best = max(
        tried, key=lambda strength: float(metrics.auc(ai, tried[strength][modern], sample_weight))
    )
    return best, tried[best]


def build(head: Head, paths: Paths) -> keras.Model:
    """Build the complete member: the encoder with CLIP's weights, and the head."""
    member = pretrained(paths.run("clip"))
    member.get_layer("logit").set_weights(
        [head.weights.astype(np.float32)[:, None], np.array([head.intercept], np.float32)]
    )
    return member


def main() -> None:
    """Parse the command line, fit the head, and save the targets for the light members."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--splits",
        nargs="+",
        choices=("train", "val", "test"),
        default=["train"],
        help="splits to fit to; use test only after the evaluation",
    )
    add_arguments(parser)
    arguments = parser.parse_args()
    paths = Paths.of(arguments)
    keras.utils.set_random_seed(0)
    splits: list[packs.Split] = arguments.splits
    parts = [features.load(split, paths).at(clip.DEPTHS) for split in splits]
    known = joined(parts)
    strength, answers = choose(known)
    run = paths.run("clip")
    run.mkdir(parents=True, exist_ok=True)
    build(fit(known, strength), paths).save_weights(run / "final.weights.h5")
    ends = np.cumsum([len(part.examples) for part in parts])[:-1]
    out_of_fold.write(dict(zip(splits, np.split(answers, ends), strict=True)), paths)
    if splits == ["train"]:
        teacher.write(known, answers, paths)
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
