"""Audits for shortcuts: the result must depend on the image content, not on the file."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.progress import track
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.model_selection import GroupKFold, cross_val_predict

from models.ensemble import Classification
from models.image import decode
from models.verdict import Label
from models.views import Pixels
from training import metrics
from training.bootstrap import estimate, resample
from training.datasets import packs
from training.datasets.originals import Original
from training.metrics import Floats
from training.predictions import Predictions

IMAGES = 60
"""Images that are classified in every variant. At 0.2 s each, this takes two minutes."""

SMALLEST = 160
"""Images with a shorter short side, in pixels, are left out."""

FOLDS = 5
PERMUTATIONS = 40


def _save(image: Image.Image, format_: str = "PNG", scale: float = 1.0, **options: int) -> bytes:
    size = (round(image.width * scale), round(image.height * scale))
    file = io.BytesIO()
    image.resize(size, Image.Resampling.LANCZOS).save(file, format_, **options)
    return file.getvalue()


VARIANTS: dict[str, Callable[[Image.Image], bytes]] = {
    "PNG": _save,
    "JPEG q95": partial(_save, format_="JPEG", quality=95),
    "JPEG q80": partial(_save, format_="JPEG", quality=80),
    "JPEG q60": partial(_save, format_="JPEG", quality=60),
    "WebP q80": partial(_save, format_="WEBP", quality=80),
    "× 1.5": partial(_save, scale=1.5),
    "× 0.75": partial(_save, scale=0.75),
    "× 0.67": partial(_save, scale=2 / 3),
}
"""Re-encoded and resized variants. Two thirds of 240 px, the packs' smallest, is ``SMALLEST``."""


def invariance(
    images: packs.Images, classify: Callable[[Pixels], Classification]
) -> dict[str, Any]:
    """Classify re-encoded and resized variants of modern images.

    Args:
        images: a split. Some of its modern images are drawn. All sources are equally likely.
        classify: the ensemble.

    Returns:
        ``images`` and ``judgements``: how many images and how many variants.
        ``flips``: the fraction of variants whose label changes from ``ai`` to ``real`` or back.
        ``changes``: the fraction with any other label.
        ``variants``: for each variant both fractions and the mean change of the probability.
    """
    chosen = _draw(images)
    examples = [images.examples[index] for index in chosen]
    flips, changes, moves = (np.zeros((len(chosen), len(VARIANTS))) for _ in range(3))
    for row, index in enumerate(track(chosen, description="classifying variants")):
        picture = Image.fromarray(images.pixels(index))
        plain = classify(images.pixels(index))
        for column, save in enumerate(VARIANTS.values()):
            # Decoded from bytes, as in production.
            varied = classify(decode(save(picture)).pixels)
            changes[row, column] = varied.label != plain.label
            flips[row, column] = {varied.label, plain.label} == {Label.AI, Label.REAL}
            moves[row, column] = abs(varied.probability - plain.probability)
    resampled_weights = resample(
        np.array([example.source for example in examples]),
        np.array([example.ai for example in examples]),
        np.full(len(chosen), 1 / len(chosen)),
    )
    return {
        "images": len(chosen),
        "judgements": flips.size,
        "flips": estimate(metrics.mean(flips.mean(axis=1), resampled_weights)),
        "changes": estimate(metrics.mean(changes.mean(axis=1), resampled_weights)),
        "variants": {
            name: {"flips": flip, "changes": change, "moves": move}
            for name, flip, change, move in zip(
                VARIANTS,
                flips.mean(axis=0).tolist(),
                changes.mean(axis=0).tolist(),
                moves.mean(axis=0).tolist(),
                strict=True,
            )
        },
    }


def metadata(
    predictions: Predictions, originals: Mapping[tuple[str, str], Original]
) -> dict[str, Any]:
    """Predict the ensemble's scores from the original file's metadata, without pixels.

    The target is the logit minus its label's mean. So a correlation of both with the label does not
    count. Gradient boosting predicts each source out of fold. The control repeats this with the
    metadata of other images: the images are ordered by source, and the metadata is shifted.

    Returns:
        ``r2``: the fraction of the logit variance within labels that metadata explains (0 or less:
        nothing).
        ``r2_control``: the 95 % quantile of the controls.
        ``predicted_auc``: AUC of the predicted scores for the label (0.5: no effect).
        ``label_auc``: AUC of a metadata model fitted to the label itself, i.e. how much a shortcut
        could gain.
    """
    predictions = predictions.take(np.argsort(predictions.source, kind="stable"))
    known = [originals[example.pack, example.name] for example in predictions.examples]
    features = _features(known)
    within = _within_labels(predictions)
    predicted = _predict(features, within, predictions)
    controls = [
        _explained(
            within,
            _predict(np.roll(features, shift, axis=0), within, predictions),
            predictions.sample_weight,
        )
        for shift in np.random.default_rng(0).integers(1, len(known), PERMUTATIONS)
    ]
    of_label = _predict(features, predictions.ai.astype(np.float64), predictions)
    return {
        "r2": _explained(within, predicted, predictions.sample_weight),
        "r2_control": float(np.quantile(controls, 0.95)),
        "predicted_auc": float(metrics.auc(predictions.ai, predicted, predictions.sample_weight)),
        "label_auc": float(metrics.auc(predictions.ai, of_label, predictions.sample_weight)),
    }


def _draw(images: packs.Images) -> NDArray[np.int64]:
    """Draw modern images that are large enough. All sources are equally likely."""
    modern = [
        index
        for index, example in enumerate(images.examples)
        if example.pack == "modern" and min(images.layout[index, 1:]) * 2 >= SMALLEST * 3
    ]
    sample_weight = packs.weights([images.examples[index] for index in modern])
    count = min(IMAGES, len(modern))
    return np.random.default_rng(0).choice(modern, count, replace=False, p=sample_weight)


def _features(known: list[Original]) -> Floats:
    """Return features of the originals: sides, area, aspect, multiples of 64, and format."""
    formats = sorted({each.format for each in known})
    return np.array(
        [
            [
                each.width,
                each.height,
                each.width * each.height,
                each.width / each.height,
                each.width % 64 == each.height % 64 == 0,
                *(each.format == format_ for format_ in formats),
            ]
            for each in known
        ],
        np.float64,
    )


def _within_labels(predictions: Predictions) -> Floats:
    """Return the ensemble's logits minus their label's mean."""
    sure = predictions.ensemble.clip(1e-6, 1 - 1e-6)
    logit: Floats = np.log(sure / (1 - sure))
    for side in (predictions.ai, ~predictions.ai):
        logit[side] -= np.average(logit[side], weights=predictions.sample_weight[side])
    return logit


def _predict(features: Floats, target: Floats, predictions: Predictions) -> Floats:
    """Predict out of fold, with whole sources per fold."""
    model = GradientBoostingRegressor(n_estimators=50, subsample=0.5, random_state=0)
    folds = GroupKFold(min(FOLDS, len(np.unique(predictions.source))), shuffle=True, random_state=0)
    answer: Floats = cross_val_predict(
        model,
        features,
        target,
        groups=predictions.source,
        cv=folds,
        params={"sample_weight": predictions.sample_weight / predictions.sample_weight.mean()},
    )
    return answer


def _explained(target: Floats, predicted: Floats, sample_weight: Floats) -> float:
    """Return R², the explained fraction of the variance. It is 0 if nothing varies."""
    variance = np.average(target**2, weights=sample_weight)
    left = np.average((target - predicted) ** 2, weights=sample_weight)
    return float(1 - left / variance) if variance else 0.0
