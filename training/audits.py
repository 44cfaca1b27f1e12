"""Audits for shortcuts: a verdict must hang on the picture, not on the file it came in."""

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

from models.ensemble import Judgement
from models.image import decode
from models.verdict import Label
from models.views import Pixels
from training import metrics
from training.bootstrap import estimate, resample
from training.datasets import packs
from training.datasets.facts import Facts
from training.judged import Judged
from training.metrics import Floats

IMAGES = 60
"""Images that are judged in every variant; at 0.2 s a judgement they take two minutes."""

SMALLEST = 160
"""Pixels on the short side below which no image is taken."""

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
"""The same picture in other files. Two thirds of 240 px, the packs' smallest, are ``SMALLEST``."""


def invariance(images: packs.Images, judge: Callable[[Pixels], Judgement]) -> dict[str, Any]:
    """Judge modern images again in other files.

    Args:
        images: a split; some of its modern images are drawn, each source with the same chance.
        judge: the ensemble.

    Returns:
        ``images`` and ``judgements`` made; ``flips``, the share of variants called ``ai`` where the
        image itself was called ``real`` or the other way round; ``changes``, the share with any
        other label; and ``variants``, for each how often both happened and how far the probability
        moved in the mean.
    """
    chosen = _draw(images)
    examples = [images.examples[index] for index in chosen]
    flips, changes, moves = (np.zeros((len(chosen), len(VARIANTS))) for _ in range(3))
    for row, index in enumerate(track(chosen, description="judging in other files")):
        picture = Image.fromarray(images.pixels(index))
        plain = judge(images.pixels(index))
        for column, save in enumerate(VARIANTS.values()):
            # As it would be served: from the bytes of a file.
            varied = judge(decode(save(picture)).pixels)
            changes[row, column] = varied.label != plain.label
            flips[row, column] = {varied.label, plain.label} == {Label.AI, Label.REAL}
            moves[row, column] = abs(varied.probability - plain.probability)
    shares = resample(
        np.array([example.source for example in examples]),
        np.array([example.ai for example in examples]),
        np.full(len(chosen), 1 / len(chosen)),
    )
    return {
        "images": len(chosen),
        "judgements": flips.size,
        "flips": estimate(metrics.mean(flips.mean(axis=1), shares)),
        "changes": estimate(metrics.mean(changes.mean(axis=1), shares)),
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


def metadata(judged: Judged, originals: Mapping[tuple[str, str], Facts]) -> dict[str, Any]:
    """Predict the ensemble's scores from what the original file was, its pixels unseen.

    What is predicted is the logit less its label's mean, so that a score that merely knows the
    label, which metadata may know too, counts for nothing. Sources are predicted by gradient
    boosting that has not seen them. The control gives each image another's metadata, many times:
    images stand in the order of their sources, and the metadata is moved along.

    Returns:
        ``r2``, the share of the variance of the logits within labels that metadata explains (0 or
        less: none); ``r2_control``, the 95 % quantile of the controls'; ``predicted_auc``, of those
        predicted scores against the label (0.5: what metadata does to the scores favours neither);
        ``label_auc``, of a model of metadata that was fitted to the label itself: how much there
        would be to gain by looking.
    """
    judged = judged.take(np.argsort(judged.source, kind="stable"))
    known = [originals[example.pack, example.name] for example in judged.examples]
    features = _features(known)
    within = _within_labels(judged)
    predicted = _predict(features, within, judged)
    controls = [
        _explained(within, _predict(np.roll(features, shift, axis=0), within, judged), judged.share)
        for shift in np.random.default_rng(0).integers(1, len(known), PERMUTATIONS)
    ]
    of_label = _predict(features, judged.ai.astype(np.float64), judged)
    return {
        "r2": _explained(within, predicted, judged.share),
        "r2_control": float(np.quantile(controls, 0.95)),
        "predicted_auc": float(metrics.auc(judged.ai, predicted, judged.share)),
        "label_auc": float(metrics.auc(judged.ai, of_label, judged.share)),
    }


def _draw(images: packs.Images) -> NDArray[np.int64]:
    """Draw modern images that are large enough, each source with the same chance."""
    modern = [
        index
        for index, example in enumerate(images.examples)
        if example.pack == "modern" and min(images.layout[index, 1:]) * 2 >= SMALLEST * 3
    ]
    share = packs.weights([images.examples[index] for index in modern])
    count = min(IMAGES, len(modern))
    return np.random.default_rng(0).choice(modern, count, replace=False, p=share)


def _features(known: list[Facts]) -> Floats:
    """Describe originals: format, sides, area, aspect, and sides that generators like."""
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


def _within_labels(judged: Judged) -> Floats:
    """Return the ensemble's logits less their label's mean."""
    sure = judged.ensemble.clip(1e-6, 1 - 1e-6)
    logit: Floats = np.log(sure / (1 - sure))
    for side in (judged.ai, ~judged.ai):
        logit[side] -= np.average(logit[side], weights=judged.share[side])
    return logit


def _predict(features: Floats, target: Floats, judged: Judged) -> Floats:
    """Predict each source by a fit that has not seen it."""
    model = GradientBoostingRegressor(n_estimators=50, subsample=0.5, random_state=0)
    folds = GroupKFold(min(FOLDS, len(np.unique(judged.source))), shuffle=True, random_state=0)
    answer: Floats = cross_val_predict(
        model,
        features,
        target,
        groups=judged.source,
        cv=folds,
        params={"sample_weight": judged.share / judged.share.mean()},
    )
    return answer


def _explained(target: Floats, predicted: Floats, share: Floats) -> float:
    """Return the share of the variance that a prediction explains, below 0 if it misleads.

    Where nothing varies there is nothing to explain: 0.
    """
    variance = np.average(target**2, weights=share)
    left = np.average((target - predicted) ** 2, weights=share)
    return float(1 - left / variance) if variance else 0.0
