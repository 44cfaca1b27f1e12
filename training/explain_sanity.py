"""Sanity tests of the map of parts: ``python -m training.explain_sanity``.

1. A part of a real photograph is replaced by a part of an AI-made one. Does the brightest cell of
   the map lie in it? The same is asked of the light members' map.
2. Does the map change if the weights are randomised (Adebayo et al., Sanity Checks for Saliency
   Maps, arXiv:1810.03292)? Once the head, once the encoder too.

The images are of ``val``. Neither the encoder nor the map's head was fitted to them. The light
members were chosen by them. ``test`` is not read.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from PIL import Image
from rich.progress import track
from scipy.stats import spearmanr

from models import networks
from models.ensemble import Ensemble
from models.explain import PartMap
from models.manifest import WEIGHTS, Manifest, load_manifest
from models.networks import Head, Loaded
from models.runtime import Runtime
from models.views import WHOLE, Pixels
from training.composites import Composite, paste
from training.datasets import packs
from training.paths import Paths, add_arguments

REPORT = Path(__file__).parent / "report" / "explanation.json"
QUALITY = 85
SMALLEST, LARGEST = 1 / 3, 1 / 2
"""The part's side, as a share of the image's: a ninth to a quarter of its area."""
RANDOMISED = 20
"""Images whose map is also made with randomised weights."""

Mapper = Callable[[Pixels], PartMap]


def make(images: packs.Images, number: int, rng: np.random.Generator) -> Iterator[Composite]:
    """Yield made images. Each photograph is used once."""
    photos = [
        (index, example.ai)
        for index, example in enumerate(images.examples)
        if example.pack == "modern" and example.corpus == "photo"
    ]
    real = rng.choice([i for i, ai in photos if not ai], number, replace=False)
    generated = rng.choice([i for i, ai in photos if ai], number, replace=False)
    for to, source in zip(real, generated, strict=True):
        share = rng.uniform(SMALLEST, LARGEST)
        yield paste(images.pixels(to), images.pixels(source), share, QUALITY, rng)


def hit(found: PartMap, made: Composite) -> tuple[bool, float]:
    """Return whether the brightest cell's centre is in the part, and the same share of a tenth.

    The brightest tenth is that of the interpolated map, as it is drawn.
    """
    brightest = made.inside_cells(len(found))[np.unravel_index(found.argmax(), found.shape)]
    size = (WHOLE.size, WHOLE.size)
    smooth = np.asarray(Image.fromarray(found).resize(size, Image.Resampling.BILINEAR))
    return bool(brightest), float(made.inside[smooth >= np.quantile(smooth, 0.9)].mean())


def with_random_head(loaded: Loaded, rng: np.random.Generator) -> Loaded:
    """Permute the weights of the map's head.

    Raises:
        ValueError: there is no such head.
    """
    if loaded.parts is None:
        raise ValueError("the weights have no head for the map of parts")
    head = loaded.parts.head
    permuted = Head(rng.permutation(head.weights), head.intercept)
    return replace(loaded, parts=replace(loaded.parts, head=permuted))


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
    light = networks.load(WEIGHTS, manifest, manifest.members_for("never"), threads=1)
    mappers: dict[str, Mapper] = {
        "patches": Ensemble(manifest, loaded).map_parts,
        "light_members": Ensemble(manifest, light, "never").map_parts,
    }
    permuted = with_random_head(loaded, rng)
    randomised: dict[str, Mapper] = {
        "head": Ensemble(manifest, permuted).map_parts,
        "encoder": Ensemble(manifest, with_random_encoder(manifest, permuted, rng)).map_parts,
    }
    images = packs.load("val", paths.data, paths.cache)
    hits: dict[str, list[tuple[bool, float]]] = {name: [] for name in mappers}
    seconds: dict[str, list[float]] = {name: [] for name in mappers}
    changes: dict[str, list[float]] = {name: [] for name in randomised}
    share = []
    composites = make(images, options.images, rng)
    for number, made in enumerate(track(composites, "made images", total=options.images)):
        share.append(float(made.inside.mean()))
        maps = {}
        for name, mapper in mappers.items():
            started = time.process_time()
            maps[name] = mapper(made.pixels)
            seconds[name].append(time.process_time() - started)
            hits[name].append(hit(maps[name], made))
        if number < RANDOMISED:
            for name, mapper in randomised.items():
                changes[name].append(correlation(maps["patches"], mapper(made.pixels)))
    report = {
        "version": manifest.version,
        "images": options.images,
        "chance": round(float(np.mean(share)), 3),
        "maps": {
            name: {
                "brightest_cell": round(float(np.mean([each[0] for each in hits[name]])), 3),
                "brightest_tenth": round(float(np.mean([each[1] for each in hits[name]])), 3),
                "cpu_seconds_median": round(float(np.median(seconds[name])), 2),
                "cpu_seconds_largest": round(max(seconds[name]), 2),
            }
            for name in mappers
        },
        "randomised": {
            name: {
                "images": len(found),
                "mean_rank_correlation": round(float(np.mean(found)), 3),
                "mean_absolute": round(float(np.mean(np.abs(found))), 3),
            }
            for name, found in changes.items()
        },
    }
    REPORT.write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
