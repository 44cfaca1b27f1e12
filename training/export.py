"""Exports the trained members: ``python -m training.export``.

The models are converted from Keras to OpenVINO. Convolutional networks compute in 8-bit integers if
that costs no accuracy on ``val``. The others compute in floats, with the fewest weight bits that
leave the outputs unchanged. Each float file is compared with Keras on validation images. The
manifest stores the outputs for a few public photographs, so the shipped file can be verified on any
machine.

This manifest uses the mean of the members. ``training.calibrate`` fits a better combination.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import keras
import numpy as np
import openvino as ov
import skimage.data
from numpy.typing import NDArray

from models.ensemble import sigmoid
from models.manifest import (
    WEIGHTS,
    Manifest,
    MemberRecord,
    Reference,
    Scale,
    Stack,
    Thresholds,
    digest,
)
from models.members import MEMBERS, Member
from models.runtime import Runtime
from models.views import Pixels, View, prepare
from training import metrics
from training.convert import quantise, serialise, shrink, to_openvino
from training.datasets import packs
from training.paths import Paths, add_arguments
from training.train import logits, serving_views

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "retina", "rocket")
"""Functions of skimage.data. Their photographs are in the public domain and in its wheel."""

PARITY_IMAGES = 200
PARITY = 1e-3
"""Largest difference in probability between a float export and Keras."""

LOST = 0.003
"""Largest loss of balanced accuracy, and of AUC, by computing in integers."""


@dataclass(frozen=True)
class Exported:
    """An exported member.

    Args:
        model: the ``.xml``.
        weights: the ``.bin``.
        parity: weight bits, and the difference from Keras.
    """

    model: bytes
    weights: bytes
    parity: dict[str, float]


def difference(
    model: keras.Model, files: tuple[bytes, bytes], views: Pixels
) -> NDArray[np.float64]:
    """Return the difference in probability between Keras and the exported member, per image.

    Args:
        model: the member in Keras.
        files: the exported ``.xml`` and ``.bin``. They run in 32-bit floats.
        views: shape (images, views, height, width, 3).
    """
    runtime = Runtime(*files, precision="f32")
    ours = [sigmoid(runtime.logit(image)) for image in views]
    theirs = [sigmoid(float(logit)) for logit in logits(model, views)]
    return np.abs(np.subtract(ours, theirs))


def in_integers(network: ov.Model, images: packs.Images, view: View, ranges: Pixels) -> Exported:
    """Quantise a member and measure the loss.

    Args:
        network: the member in floats.
        images: of ``val``. Both versions are compared on the modern ones.
        view: the member's view.
        ranges: views of training images, to calibrate the activation ranges.
    """
    files = serialise(quantise(network, ranges))
    modern = [i for i, example in enumerate(images.examples) if example.pack == "modern"]
    examples = [images.examples[i] for i in modern]
    ai, sample_weight = np.array([example.ai for example in examples]), packs.weights(examples)
    views = serving_views(images, view, modern)

    def measures(files: tuple[bytes, bytes]) -> NDArray[np.float64]:
        runtime = Runtime(*files, precision="f32")
        answers = np.array([sigmoid(runtime.logit(image)) for image in views])
        return np.array(
            [
                metrics.balanced_accuracy(ai, answers, sample_weight),
                metrics.auc(ai, answers, sample_weight),
            ]
        )

    accuracy, auc = measures(serialise(network)) - measures(files)
    lost = {"accuracy_lost": float(accuracy), "auc_lost": float(auc)}
    return Exported(*files, {"weight_bits": 8, "images": len(modern), **lost})


def in_floats(model: keras.Model, network: ov.Model, views: Pixels) -> Exported:
    """Choose the smallest weights that leave a member's outputs unchanged.

    Raises:
        ValueError: even with 32-bit weights, the outputs differ from Keras.
    """
    whole, small = serialise(network), serialise(shrink(network))
    attempts = [(16, serialise(network, half=True)), (32, whole)]
    if len(small[1]) < len(whole[1]) / 2:  # The network consists mostly of large matrices.
        attempts.insert(0, (8, small))
    for bits, files in attempts:
        gap = difference(model, files, views)
        if gap.max() <= PARITY:
            measured = {"max": float(gap.max()), "mean": float(gap.mean())}
            return Exported(*files, {"weight_bits": bits, "images": len(gap), **measured})
    raise ValueError(f"{model.name} as exported differs from Keras by {gap.max():.2g}")


def export(names: Iterable[str], paths: Paths, directory: Path) -> Manifest:
    """Write the members' files and their manifest.

    Raises:
        FileNotFoundError: a member is not trained.
        ValueError: a member's outputs differ from Keras.
    """
    images = packs.load("val", paths.data, paths.cache)
    records = []
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        member = MEMBERS[name]
        training = json.loads((paths.run(name) / "training.json").read_text())
        model = member.build()
        model.load_weights(paths.run(name) / "final.weights.h5")
        network = to_openvino(model, member.view.shape)
        exported = in_floats(model, network, serving_views(images, member.view, _some(images)))
        if training["integers"]:
            seen = packs.load("train", paths.data, paths.cache)
            integers = in_integers(
                network, images, member.view, serving_views(seen, member.view, _some(seen))
            )
            if max(integers.parity["accuracy_lost"], integers.parity["auc_lost"]) <= LOST:
                exported = integers
        (directory / f"{name}.xml").write_bytes(exported.model)
        (directory / f"{name}.bin").write_bytes(exported.weights)
        records.append(
            MemberRecord(
                name=name,
                file=f"{name}.xml",
                sha256=digest(exported.model, exported.weights),
                view=member.view.name,
                calibration=Scale(slope=1, intercept=0),
                references=_references(member, exported),
                parity=exported.parity,
                training=training,
            )
        )
    manifest = Manifest(
        released=datetime.now(UTC).date().isoformat(),
        members=tuple(records),
        stack=Stack(weights={record.name: 1 / len(records) for record in records}, intercept=0),
        thresholds=Thresholds(real=0.2, ai=0.8),
        trained_on=next(
            (tuple(each.training["splits"]) for each in records if "splits" in each.training),
            ("train",),
        ),
    )
    write(manifest, directory)
    return manifest


def _some(images: packs.Images) -> list[int]:
    """Return the indices of images spread evenly over a split."""
    indices: list[int] = np.linspace(0, len(images) - 1, PARITY_IMAGES, dtype=int).tolist()
    return indices


def write(manifest: Manifest, directory: Path) -> None:
    """Write ``manifest.json``."""
    (directory / "manifest.json").write_text(manifest.model_dump_json(indent=2) + "\n")


def _references(member: Member, exported: Exported) -> tuple[Reference, ...]:
    """Return the exported member's outputs in 32-bit floats, which are equal on all machines."""
    runtime = Runtime(exported.model, exported.weights, precision="f32")
    views = {
        name: member.view.serve(prepare(getattr(skimage.data, name)())) for name in PHOTOGRAPHS
    }
    return tuple(
        Reference(image=name, probability=sigmoid(runtime.logit(view)))
        for name, view in views.items()
    )


def main() -> None:
    """Parse the command line and export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="folder to write to")
    add_arguments(parser)
    arguments = parser.parse_args()
    print(f"model version {export(MEMBERS, Paths.of(arguments), arguments.weights).version}")


if __name__ == "__main__":
    main()
