"""Compares views for ``clip``: ``python -m training.view_study``.

In production the whole image is resized to a square, whatever its shape and size. This study
classifies modern images of ``val`` unchanged, cropped to strips, tiny and huge, with several views.
The head must not have been fitted to ``val``. It writes a table into the report.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from rich.progress import track

from models import networks
from models.manifest import load_manifest
from models.networks import Inference
from models.views import prepare
from training import metrics
from training.bootstrap import estimate, resample
from training.datasets import packs
from training.evaluate import REPORT
from training.markdown import interval, table
from training.metrics import Floats
from training.paths import Paths, add_arguments

GREY = (122, 117, 104)
"""The mean colour of CLIP's training images, so the padding is neutral."""

EACH = 5
"""Images per source and label. Each is classified 20 times, at 0.15 s."""

STRIP = 3.0
"""Aspect ratio of the strips."""

Shape = Callable[[Image.Image], Image.Image]
ViewFunction = Callable[[Image.Image], Sequence[Image.Image]]


def strip(image: Image.Image, *, tall: bool = False) -> Image.Image:
    """Crop the centre of the image to a strip of ``STRIP`` : 1, or 1 : ``STRIP``."""
    ratio = 1 / STRIP if tall else STRIP
    width = min(image.width, image.height * ratio)
    return ImageOps.fit(image, (round(width), round(width / ratio)))


def scaled(image: Image.Image, short: int) -> Image.Image:
    """Resize the image to ``short`` pixels on the short side."""
    scale = short / min(image.size)
    size = (round(image.width * scale), round(image.height * scale))
    return image.resize(size, Image.Resampling.LANCZOS)


def whole(image: Image.Image) -> list[Image.Image]:
    """Return the image. The view resizes it to a square."""
    return [image]


def padded(image: Image.Image) -> list[Image.Image]:
    """Return the image in its aspect ratio on a grey square."""
    side = max(image.size)
    return [ImageOps.pad(image, (side, side), color=GREY)]


def centre(image: Image.Image) -> list[Image.Image]:
    """Return the central square."""
    side = min(image.size)
    return [ImageOps.fit(image, (side, side))]


def squares(image: Image.Image) -> list[Image.Image]:
    """Return squares along the long side that cover the image."""
    side, length = min(image.size), max(image.size)
    count = math.ceil(length / side)
    starts = np.linspace(0, length - side, count).round().astype(int).tolist()
    wide = image.width > image.height
    corners = [(start, 0) if wide else (0, start) for start in starts]
    return [image.crop((x, y, x + side, y + side)) for x, y in corners]


def mirrored(image: Image.Image) -> list[Image.Image]:
    """Return the image and its mirror image."""
    return [image, ImageOps.mirror(image)]


SHAPES: dict[str, tuple[Shape, tuple[ViewFunction, ...]]] = {
    "unchanged": (lambda image: image, (whole, padded, centre, squares, mirrored)),
    "strip, 3 : 1": (strip, (whole, padded, centre, squares)),
    "strip, 1 : 3": (partial(strip, tall=True), (whole, padded, centre, squares)),
    "tiny, 96 px": (partial(scaled, short=96), (whole,)),
    "tiny, 64 px": (partial(scaled, short=64), (whole,)),
    "huge, 2,400 px": (partial(scaled, short=2400), (whole,)),
}
"""Variants of an image, each with its views. The production view ``whole`` comes first."""


def study(
    pictures: Sequence[Image.Image], logit: Callable[[Image.Image], float]
) -> dict[str, dict[str, Floats]]:
    """Classify pictures in every shape and with every view.

    Args:
        pictures: the original pictures.
        logit: returns the logit of one picture in the production view.

    Returns:
        The logit of each picture, by shape and view. With several crops it is their mean.
    """
    answers: dict[str, dict[str, Floats]] = {}
    for name, (shape, views) in SHAPES.items():
        found = {view.__name__: np.empty(len(pictures)) for view in views}
        for row, picture in enumerate(track(pictures, description=name)):
            image = shape(picture)
            for view in views:
                found[view.__name__][row] = np.mean([logit(seen) for seen in view(image)])
        answers[name] = found
    return answers


def measures(examples: Sequence[packs.Example], answers: Mapping[str, Mapping[str, Floats]]) -> str:
    """Format the results of ``study`` as a Markdown table.

    Gains are relative to ``whole`` in the same shape. Their intervals are paired over sources.
    """
    ai = np.array([example.ai for example in examples])
    sources = np.array([example.source for example in examples])
    resampled_weights = resample(sources, ai, packs.weights(examples))
    rows = []
    for shape, views in answers.items():
        served = metrics.auc(ai, views["whole"], resampled_weights)
        for view, logits in views.items():
            auc = metrics.auc(ai, logits, resampled_weights)
            gain = "" if view == "whole" else interval(estimate(auc - served))
            found = interval(estimate(metrics.tpr_at_tnr(ai, logits, resampled_weights)))
            rows.append((shape, view, interval(estimate(auc)), gain, found))
    return table(("image", "view", "AUC", "gain", "TPR at 95 % TNR"), rows)


def drawn(images: packs.Images) -> list[int]:
    """Return the indices of up to ``EACH`` modern images per source and label."""
    chosen = packs.at_most(images.examples, EACH)
    return [index for index in chosen if images.examples[index].pack == "modern"]


_HEAD = """\
# Views for `clip`

`python -m training.view_study --weights runs/measured`: modern images of `val`, whose sources the
weights have not seen. The production view is `whole`: the image resized to a square. `padded` keeps
the aspect ratio on grey. `centre` is the central square. `squares` is the mean over squares along
the long side. `mirrored` is the mean with the mirror image. Strips are cropped from the centre.
Tiny and huge images are the same pictures resized, so `huge` shows the effect of reduction, not of
finer detail. Brackets hold 95 % intervals over sources. Gains are paired.

"""


def main() -> None:
    """Parse the command line, classify, and write ``views.md``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True, help="not trained on val")
    parser.add_argument("--report", type=Path, default=REPORT, help="folder for the table")
    add_arguments(parser)
    arguments = parser.parse_args()
    paths = Paths.of(arguments)
    images = packs.load("val", paths.data, paths.cache)
    manifest = load_manifest(arguments.weights)
    clip = [member for member in manifest.members if member.name == "clip"]
    loaded = networks.load(arguments.weights, manifest, clip)
    chosen = drawn(images)
    answers = study(
        [Image.fromarray(images.pixels(index)) for index in chosen],
        lambda image: Inference(prepare(np.asarray(image)), loaded).logit("clip"),
    )
    text = _HEAD + measures([images.examples[index] for index in chosen], answers)
    (arguments.report / "views.md").write_text(text)


if __name__ == "__main__":
    main()
