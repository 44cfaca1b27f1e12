"""What faster arithmetic costs: ``python -m training.precision`` → ``report/precision.md``.

The shipped encoder computes the features of the same modern images of ``train`` and ``val`` in two
precisions. Heads are fitted to the features of the first, and read those of both, out of fold. So
the figures are those of a server that changes its arithmetic and keeps heads and thresholds.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from models.ensemble import decide
from models.manifest import WEIGHTS, Manifest, load_manifest
from models.members import MEMBERS, NETWORKS
from models.networks import Inference, Loaded, LoadedNetwork
from models.processor import Precision
from models.runtime import THREADS, Runtime
from models.verdict import Label
from models.views import prepare
from training import kinds, recipes
from training.compare_heads import Measures, by_group, mean
from training.datasets import packs
from training.evaluate import REPORT
from training.features import DEPTHS, PER_DEPTH, Features, save_array
from training.markdown import table
from training.metrics import Floats
from training.paths import Paths, add_arguments
from training.recipes import SHIPPED, Groups

MOST = 8
"""Images per source and label."""

_HEAD = """\
# Arithmetic of the encoder

`python -m training.precision --base {base} --other {other} --most {most}`: {images} clean modern
images of `train` and `val`. The shipped encoder computes in `{base}` and in `{other}`. The heads
are fitted to features in `{base}`. *Folds*: random folds by owner, pooled. *Kinds*: whole kinds of
sources held out, mean over the groups. TPR is at 95 % TNR. Brackets hold 95 % intervals over
sources.

"""

_LABELS = """
With the shipped calibration and thresholds, both stages decide as in a server. On held-out kinds:

"""


def encoder(precision: Precision, weights: Path) -> Loaded:
    """Load the shipped encoder in one precision, without heads."""
    loaded = {}
    for record in load_manifest(weights).networks:
        if record.name in MEMBERS["clip"].networks:
            model, content = record.read(weights)
            runtime = Runtime(model, content, precision, threads=THREADS)
            loaded[record.name] = LoadedNetwork(NETWORKS[record.name].input, runtime)
    return Loaded(loaded, {})


def features(precision: Precision, most: int, paths: Paths, weights: Path) -> Features:
    """Return the shipped encoder's features of clean modern images. They are cached.

    Args:
        precision: of the arithmetic.
        most: images per source and label.
        paths: where the data and the cache are.
        weights: the folder of the exported members.
    """
    folder = paths.run("precision") / precision
    folder.mkdir(parents=True, exist_ok=True)
    loaded = encoder(precision, weights)
    examples, values = [], []
    splits: tuple[packs.Split, ...] = ("train", "val")
    for split in splits:
        images = packs.load(split, paths.data, paths.cache)
        chosen = packs.at_most(images.examples, most)
        modern = [index for index in chosen if images.examples[index].pack == "modern"]
        for index in track(modern, description=f"{precision}, {split}"):
            file = folder / f"{Path(images.examples[index].name).name}.npy"
            if not file.exists():
                inference = Inference(prepare(images.pixels(index)), loaded)
                save_array(file, inference.features(MEMBERS["clip"].networks)[0])
            examples.append(images.examples[index])
            values.append(np.load(file))
    return Features(examples, np.full(len(examples), "clean"), _placed(np.stack(values)))


def _placed(values: NDArray[np.float32]) -> NDArray[np.float16]:
    """Put the features that ``clip`` reads into the columns of all stored blocks.

    Args:
        values: shape (images, features of ``clip``).
    """
    placed = np.zeros((len(values), len(DEPTHS), PER_DEPTH), np.float16)
    places = [DEPTHS.index(depth) for depth in MEMBERS["clip"].depths]
    placed[:, places] = values.reshape(len(values), -1, PER_DEPTH)
    return placed.reshape(len(values), -1)


def out_of_fold(
    base: Features, others: Sequence[Features], groups: Groups
) -> list[dict[str, Floats]]:
    """Return the members' logits, by heads that have not seen the image's group or source.

    Args:
        base: the heads are fitted to it.
        others: features of the same images. The heads read them.
        groups: each image's group, which is held out together.

    Returns:
        For each of ``others``, the logits by member.
    """
    source = np.array([example.source for example in base.examples])
    read = {name: [known.at(MEMBERS[name].depths) for known in others] for name in SHIPPED}
    logits = [{name: np.zeros(len(source)) for name in SHIPPED} for _ in others]
    for group in track(sorted(set(groups)), description="heads"):
        held_out = groups == group
        seen = base.take(np.flatnonzero(~np.isin(source, source[held_out])))
        for name, recipe in SHIPPED.items():
            head = recipes.fit_recipe(recipe, seen, MEMBERS[name].depths)
            for found, known in zip(logits, read[name], strict=True):
                found[name][held_out] = head(known.values[held_out])
    return logits


def gains(known: Features, groups: Groups, base: Floats, other: Floats) -> tuple[str, ...]:
    """Return the cells of a row: AUC and TPR of the base, then the gain of the other precision."""
    one, two = (
        mean(list(by_group(known, logits, groups, "clean").values())) for logits in (base, other)
    )
    return *one.cells(), *_points(two.less(one))


def _points(gain: Measures) -> tuple[str, str]:
    """Format a gain in points, that is hundredths."""
    return Measures(100 * gain.auc, 100 * gain.tpr).cells()


def labels(manifest: Manifest, logits: dict[str, Floats]) -> NDArray[np.str_]:
    """Return the labels that the shipped stages give."""
    names = list(logits)
    return np.array(
        [
            decide(manifest, "always", dict(zip(names, row, strict=True)).__getitem__).label
            for row in np.stack(list(logits.values()), axis=1).tolist()
        ]
    )


def label_row(known: Features, found: NDArray[np.str_]) -> tuple[str, ...]:
    """Return the shares of images by truth and label, each source with the same weight."""
    ai, weight = np.array([each.ai for each in known.examples]), packs.weights(known.examples)
    return tuple(
        f"{np.average(found[side] == label, weights=weight[side]):.1%}"
        for side, label in ((~ai, Label.AI), (ai, Label.AI), (ai, Label.REAL))
    )


def main() -> None:
    """Parse the command line, compute what is not cached, and write ``precision.md``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", choices=get_args(Precision), default="bf16")
    parser.add_argument("--other", choices=get_args(Precision), default="int8")
    parser.add_argument("--most", type=int, default=MOST, help="images per source and label")
    parser.add_argument("--report", type=Path, default=REPORT, help="folder for the table")
    add_arguments(parser)
    arguments = parser.parse_args()
    paths = Paths.of(arguments)
    base, other = (
        features(each, arguments.most, paths, WEIGHTS) for each in (arguments.base, arguments.other)
    )
    examples = base.examples
    apart = kinds.held_out(examples)
    rows = []
    for scheme, groups, pooled in (
        ("folds", recipes.folds(examples), np.full(len(examples), "all")),
        ("kinds", apart, apart),
    ):
        one, two = out_of_fold(base, (base, other), groups)
        rows += [
            (f"`{name}`, {scheme}", *gains(base, pooled, one[name], two[name])) for name in one
        ]
    # The last scheme: held-out kinds, on which the thresholds were set.
    given, new = (labels(load_manifest(), logits) for logits in (one, two))
    opposite = (given != new) & (given != Label.UNCERTAIN) & (new != Label.UNCERTAIN)
    text = (
        _HEAD.format(images=len(examples), **vars(arguments))
        + table(("member", "AUC", "TPR", "gain of AUC, points", "gain of TPR, points"), rows)
        + _LABELS
        + table(
            ("precision", "real images labelled `ai`", "AI images labelled `ai`", "`real`"),
            [
                (f"`{arguments.base}`", *label_row(base, given)),
                (f"`{arguments.other}`", *label_row(base, new)),
            ],
        )
        + f"\n{np.mean(given != new):.1%} of the labels change, "
        f"{opposite.sum()} of {len(examples)} between `ai` and `real`.\n"
    )
    (arguments.report / "precision.md").write_text(text)


if __name__ == "__main__":
    main()
