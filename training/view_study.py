"""What ``clip`` should be shown of an image: ``python -m training.view_study``.

Serving squashes the whole image into a square, whatever its shape and size. This judges modern
images of ``val`` as they are, cut to long strips, tiny and huge, in every way of looking that
could be served, by weights that have not seen ``val``; and writes a table into the report.
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

from models.ensemble import load_member
from models.manifest import load_manifest
from models.runtime import THREADS
from models.views import prepare
from training import metrics
from training.bootstrap import estimate, resample
from training.datasets import packs
from training.evaluate import REPORT
from training.markdown import interval, table
from training.metrics import Floats
from training.places import Places, add_arguments

GREY = (122, 117, 104)
"""The mean colour of what CLIP was trained on: what lies beside a padded image says nothing."""

EACH = 5
"""Images of a source and label that are judged: 20 times each, at 0.15 s."""

STRIP = 3.0
"""Aspect ratio of the strips."""

Shape = Callable[[Image.Image], Image.Image]
Look = Callable[[Image.Image], Sequence[Image.Image]]


def strip(image: Image.Image, *, tall: bool = False) -> Image.Image:
    """Cut the middle of the image to a strip of ``STRIP`` : 1, or 1 : ``STRIP``."""
    ratio = 1 / STRIP if tall else STRIP
    width = min(image.width, image.height * ratio)
    return ImageOps.fit(image, (round(width), round(width / ratio)))


def scaled(image: Image.Image, short: int) -> Image.Image:
    """Resize the image to ``short`` pixels on the short side."""
    scale = short / min(image.size)
    size = (round(image.width * scale), round(image.height * scale))
    return image.resize(size, Image.Resampling.LANCZOS)


def whole(image: Image.Image) -> list[Image.Image]:
    """See the image as it is; the view squashes it."""
    return [image]


def padded(image: Image.Image) -> list[Image.Image]:
    """See the image in its own shape on a grey square."""
    side = max(image.size)
    return [ImageOps.pad(image, (side, side), color=GREY)]


def centre(image: Image.Image) -> list[Image.Image]:
    """See the square in the middle."""
    side = min(image.size)
    return [ImageOps.fit(image, (side, side))]


def squares(image: Image.Image) -> list[Image.Image]:
    """See as many squares, spread along the long side, as it takes to see all of it."""
    side, length = min(image.size), max(image.size)
    count = math.ceil(length / side)
    starts = np.linspace(0, length - side, count).round().astype(int).tolist()
    wide = image.width > image.height
    corners = [(start, 0) if wide else (0, start) for start in starts]
    return [image.crop((x, y, x + side, y + side)) for x, y in corners]


def mirrored(image: Image.Image) -> list[Image.Image]:
    """See the image and its mirror image."""
    return [image, ImageOps.mirror(image)]


SHAPES: dict[str, tuple[Shape, tuple[Look, ...]]] = {
    "as it is": (lambda image: image, (whole, padded, centre, squares, mirrored)),
    "strip, 3 : 1": (strip, (whole, padded, centre, squares)),
    "strip, 1 : 3": (partial(strip, tall=True), (whole, padded, centre, squares)),
    "tiny, 96 px": (partial(scaled, short=96), (whole,)),
    "tiny, 64 px": (partial(scaled, short=64), (whole,)),
    "huge, 2,400 px": (partial(scaled, short=2400), (whole,)),
}
"""What an image is made into, and the ways of looking at it; ``whole``, what is served, first."""


def study(
    pictures: Sequence[Image.Image], judge: Callable[[Image.Image], float]
) -> dict[str, dict[str, Floats]]:
    """Judge pictures in every shape, in every way of looking.

    Args:
        pictures: as they are.
        judge: gives the logit of one picture as it would be served.

    Returns:
        For each shape and look the logit of each picture, the mean over what is looked at.
    """
    answers: dict[str, dict[str, Floats]] = {}
    for name, (shape, looks) in SHAPES.items():
        found = {look.__name__: np.empty(len(pictures)) for look in looks}
        for row, picture in enumerate(track(pictures, description=name)):
            image = shape(picture)
            for look in looks:
                found[look.__name__][row] = np.mean([judge(seen) for seen in look(image)])
        answers[name] = found
    return answers


def measures(examples: Sequence[packs.Example], answers: Mapping[str, Mapping[str, Floats]]) -> str:
    """Write the measures of ``study``'s answers as a table in Markdown.

    Each gain is over seeing the whole image in the same shape; its interval comes from drawing
    sources again, the same ones for both.
    """
    ai = np.array([example.ai for example in examples])
    sources = np.array([example.source for example in examples])
    shares = resample(sources, ai, packs.weights(examples))
    rows = []
    for shape, looks in answers.items():
        served = metrics.auc(ai, looks["whole"], shares)
        for look, logits in looks.items():
            auc = metrics.auc(ai, logits, shares)
            gain = "" if look == "whole" else interval(estimate(auc - served))
            found = interval(estimate(metrics.tpr_at_tnr(ai, logits, shares)))
            rows.append((shape, look, interval(estimate(auc)), gain, found))
    return table(("image", "seen", "AUC", "gain", "TPR at 95 % TNR"), rows)


def drawn(images: packs.Images) -> list[int]:
    """Take up to ``EACH`` modern images of each source and label."""
    chosen = packs.at_most(images.examples, EACH)
    return [index for index in chosen if images.examples[index].pack == "modern"]


_HEAD = """\
# What `clip` is shown

`python -m training.view_study --weights runs/measured`: the modern images of `val`, whose sources
the weights have not seen. What is served is `whole`: the image squashed into a square. `padded`
keeps its shape on grey, `centre` is the middle square, `squares` the mean over squares along the
long side, `mirrored` the mean with the mirror image. Strips are cut out of the middle; tiny and
huge images are the same pictures resized, so `huge` tells what reduction does, and nothing of finer
grain.
In brackets are 95 % intervals over sources; a gain is paired.

"""


def main() -> None:
    """Read the command line, judge, and write ``views.md``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True, help="members that saw no val")
    parser.add_argument("--report", type=Path, default=REPORT, help="where the table goes")
    add_arguments(parser)
    arguments = parser.parse_args()
    places = Places.of(arguments)
    images = packs.load("val", places.data, places.cache)
    (record,) = (each for each in load_manifest(arguments.weights).members if each.name == "clip")
    view, runtime = load_member(arguments.weights, record, threads=THREADS)
    chosen = drawn(images)
    answers = study(
        [Image.fromarray(images.pixels(index)) for index in chosen],
        lambda image: runtime.logit(view.serve(prepare(np.asarray(image)))),
    )
    text = _HEAD + measures([images.examples[index] for index in chosen], answers)
    (arguments.report / "views.md").write_text(text)


if __name__ == "__main__":
    main()
