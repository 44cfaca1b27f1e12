"""Sanity tests of the map of parts: ``python -m training.explain_sanity``.

1. A part of a real photograph is replaced by a part of an AI-made one. Does the brightest cell of
   the map lie in it? The same is asked of occlusion, for comparison.
2. Does the map change if the weights are randomised (Adebayo et al., Sanity Checks for Saliency
   Maps, arXiv:1810.03292)? Once the heads, once the encoder too.

The images are of ``val``, which the heads were fitted to (``training.recipes``); the encoder was
not. So unknown images may give lower rates. ``test`` is not read.
"""

from __future__ import annotations

import argparse
import io
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from rich.progress import track
from scipy.stats import spearmanr

from models import networks
from models.ensemble import Ensemble
from models.explain import CELLS, PartMap, judge_parts
from models.manifest import WEIGHTS, Manifest, load_manifest
from models.networks import Head, Loaded
from models.runtime import Runtime
from models.views import Pixels
from training.datasets import packs
from training.paths import Paths, add_arguments

REPORT = Path(__file__).parent / "report" / "explanation.json"
QUALITY = 85
SMALLEST, LARGEST = 1 / 3, 1 / 2
"""The patch's side, as a share of the image's: a ninth to a quarter of its area."""
COMPARED = 30
"""Images on which occlusion is measured too."""
RANDOMISED = 5
"""Images whose map is also made with a randomised encoder."""
_GRID = 224
"""Points along each side at which maps are read."""
_CENTRES = np.ix_(*2 * [(2 * np.arange(CELLS) + 1) * _GRID // (2 * CELLS)])
"""The centres of the cells: the brightest one of a map that knows nothing is any of them."""


@dataclass(frozen=True)
class Made:
    """A real photograph with a generated patch.

    Args:
        pixels: after JPEG, shape (height, width, 3).
        inside: which points of the grid lie in the patch, shape (``_GRID``, ``_GRID``).
    """

    pixels: Pixels
    inside: NDArray[np.bool_]


def make(images: packs.Images, number: int, rng: np.random.Generator) -> Iterator[Made]:
    """Yield made images. Each photograph is used once."""
    photos = [
        (index, example.ai)
        for index, example in enumerate(images.examples)
        if example.pack == "modern" and example.corpus == "photo"
    ]
    real = rng.choice([i for i, ai in photos if not ai], number, replace=False)
    generated = rng.choice([i for i, ai in photos if ai], number, replace=False)
    for to, source in zip(real, generated, strict=True):
        yield paste(np.array(images.pixels(to)), images.pixels(source), rng)


def paste(into: Pixels, source: Pixels, rng: np.random.Generator) -> Made:
    """Replace a random part of an image by a random part of another, and encode it as JPEG."""
    share = rng.uniform(SMALLEST, LARGEST)
    size = [min(int(share * into.shape[axis]), source.shape[axis]) for axis in (0, 1)]
    at = [rng.integers(into.shape[axis] - size[axis] + 1) for axis in (0, 1)]
    cut = [rng.integers(source.shape[axis] - size[axis] + 1) for axis in (0, 1)]
    to, of = (
        np.s_[start[0] : start[0] + size[0], start[1] : start[1] + size[1]] for start in (at, cut)
    )
    into[to] = source[of]
    mask = np.zeros(into.shape[:2], np.uint8)
    mask[to] = 255
    file = io.BytesIO()
    Image.fromarray(into).save(file, "JPEG", quality=QUALITY)
    grid = Image.fromarray(mask).resize((_GRID, _GRID), Image.Resampling.NEAREST)
    return Made(np.asarray(Image.open(file)), np.asarray(grid) > 0)


def occlude(pixels: Pixels, log_odds: Callable[[Pixels], float]) -> PartMap:
    """Return how much the log-odds fall when each part is blurred, for comparison."""
    blurred = np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(8)))
    edges = [np.linspace(0, side, CELLS + 1).astype(int) for side in pixels.shape[:2]]
    whole = log_odds(pixels)
    drops = np.zeros((CELLS, CELLS), np.float32)
    for row, column in np.ndindex(CELLS, CELLS):
        part = np.s_[edges[0][row] : edges[0][row + 1], edges[1][column] : edges[1][column + 1]]
        covered = pixels.copy()
        covered[part] = blurred[part]
        drops[row, column] = whole - log_odds(covered)
    return drops


def hit(found: PartMap, inside: NDArray[np.bool_]) -> tuple[bool, float]:
    """Return whether the brightest cell's centre is in the patch, and the same share of a tenth.

    The brightest tenth is that of the interpolated map, as it is drawn.
    """
    top = np.unravel_index(found.argmax(), found.shape)
    centre = tuple((2 * at + 1) * _GRID // (2 * len(found)) for at in top)
    smooth = np.asarray(Image.fromarray(found).resize((_GRID, _GRID), Image.Resampling.BILINEAR))
    return bool(inside[centre]), float(inside[smooth >= np.quantile(smooth, 0.9)].mean())


def with_random_heads(loaded: Loaded, rng: np.random.Generator) -> Loaded:
    """Permute the weights of every head."""
    members = {
        name: replace(
            member, head=Head(rng.permutation(member.head.weights), member.head.intercept)
        )
        for name, member in loaded.members.items()
    }
    return replace(loaded, members=members)


def with_random_encoder(manifest: Manifest, loaded: Loaded, rng: np.random.Generator) -> Loaded:
    """Permute the bytes of every 8-bit matrix of the networks."""
    shuffled = dict(loaded.networks)
    for record in manifest.networks:
        if record.name in shuffled:
            model, weights = record.read(WEIGHTS)
            content = np.frombuffer(weights, np.uint8).copy()
            layers = ElementTree.fromstring(bytes(model))  # noqa: S314  # Our own file.
            for data in layers.iterfind("./layers/layer[@type='Const']/data"):
                if data.get("element_type") in ("i8", "u8"):
                    start, size = int(data.get("offset", 0)), int(data.get("size", 0))
                    rng.shuffle(content[start : start + size])
            runtime = Runtime(model, content.tobytes())
            shuffled[record.name] = replace(shuffled[record.name], runtime=runtime)
    return replace(loaded, networks=shuffled)


def correlation(one: PartMap, other: PartMap) -> float:
    """Return the rank correlation of two maps; 0 if one of them is flat."""
    found = spearmanr(one.ravel(), other.ravel()).statistic
    return 0.0 if np.isnan(found) else float(found)


def main() -> None:
    """Parse the command line, measure, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=100)
    add_arguments(parser)
    options = parser.parse_args()
    paths = Paths.of(options)
    rng = np.random.default_rng(0)
    manifest = load_manifest()
    loaded = networks.load(WEIGHTS, manifest, manifest.members_for("always"), threads=1)

    def probability(of: Loaded) -> Callable[[Pixels], float]:
        ensemble = Ensemble(manifest, of)
        return lambda pixels: ensemble.classify(pixels).probability

    def log_odds(pixels: Pixels) -> float:
        p = min(max(real(pixels), 1e-6), 1 - 1e-6)
        return float(np.log(p / (1 - p)))

    real = probability(loaded)
    heads = probability(with_random_heads(loaded, rng))
    encoder = probability(with_random_encoder(manifest, with_random_heads(loaded, rng), rng))
    images = packs.load("val", paths.data, paths.cache)
    hits: dict[str, list[tuple[bool, float]]] = {"parts": [], "occlusion": []}
    changes: dict[str, list[float]] = {"heads": [], "encoder": []}
    seconds, share, chance = [], [], []
    for number, made in enumerate(
        track(make(images, options.images, rng), total=options.images, description="made images")
    ):
        started = time.process_time()
        parts = judge_parts(made.pixels, real)
        seconds.append(time.process_time() - started)
        share.append(float(made.inside.mean()))
        chance.append(float(made.inside[_CENTRES].mean()))
        hits["parts"].append(hit(parts, made.inside))
        if number < COMPARED:
            hits["occlusion"].append(hit(occlude(made.pixels, log_odds), made.inside))
        if number < RANDOMISED:
            changes["heads"].append(correlation(parts, judge_parts(made.pixels, heads)))
            changes["encoder"].append(correlation(parts, judge_parts(made.pixels, encoder)))
    report = {
        "version": manifest.version,
        "images": options.images,
        "patch_share": round(float(np.mean(share)), 3),
        "chance": round(float(np.mean(chance)), 3),
        "hits": {
            name: {
                "images": len(found),
                "brightest_cell": round(float(np.mean([each[0] for each in found])), 3),
                "brightest_tenth": round(float(np.mean([each[1] for each in found])), 3),
            }
            for name, found in hits.items()
        },
        "randomised": {
            name: {
                "images": len(found),
                "mean_rank_correlation": round(float(np.mean(found)), 3),
                "mean_absolute": round(float(np.mean(np.abs(found))), 3),
            }
            for name, found in changes.items()
        },
        "cpu_seconds": {
            "median": round(float(np.median(seconds)), 2),
            "largest": round(max(seconds), 2),
        },
    }
    REPORT.write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
