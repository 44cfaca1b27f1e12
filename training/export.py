"""Exports the trained members: ``python -m training.export``.

Keras → LiteRT, with weights kept as 16-bit floats where that does not change the answers: half the
size at the same speed, for XNNPACK unpacks them when it loads. Every file is held to Keras on
validation images before it is written, and the manifest takes Keras's answers for a few public
photographs, so that the shipped file can be held to them wherever it is.

The manifest written here takes the members' mean; ``training.calibrate`` does better.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import keras
import numpy as np
import skimage.data
import tensorflow as tf
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
)
from models.members import MEMBERS, Member
from models.runtime import Runtime
from models.views import Pixels, prepare
from training.datasets import packs
from training.places import Places, add_arguments
from training.train import Config, logits, read_config, serving_views

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "retina", "rocket")
"""Functions of skimage.data whose photographs are in the public domain and in its wheel."""

PARITY_IMAGES = 200
PARITY = 1e-3
"""Probability by which an exported member may differ from Keras."""


def convert(model: keras.Model, shape: tuple[int, ...], *, half: bool = True) -> bytes:
    """Convert a member to a LiteRT file.

    Args:
        model: the member.
        shape: of the views of one image; the batch is fixed, which lets the runtime plan ahead.
        half: keep weights as 16-bit floats.
    """
    signature = [keras.InputSpec(shape=shape, dtype="uint8", name="views")]
    with TemporaryDirectory() as folder:
        model.export(folder, format="tf_saved_model", verbose=False, input_signature=signature)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if half:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        exported: bytes = converter.convert()
    return exported


def difference(model: keras.Model, exported: bytes, views: Pixels) -> NDArray[np.float64]:
    """Return by how much the probabilities of Keras and of the exported member differ, per image.

    Args:
        model: the member in Keras.
        exported: the same as a LiteRT file.
        views: shape (images, views, height, width, 3).
    """
    runtime = Runtime(exported)
    ours = [sigmoid(runtime.logit(image)) for image in views]
    theirs = [sigmoid(float(logit)) for logit in logits(model, views)]
    return np.abs(np.subtract(ours, theirs))


def _convert_within_parity(model: keras.Model, views: Pixels) -> tuple[bytes, dict[str, float]]:
    """Convert with 16-bit weights, or with 32-bit ones where 16 change the answers.

    Returns:
        The file, and by how much its probabilities differ from Keras's on the views.

    Raises:
        ValueError: neither answers as Keras does.
    """
    for half in (True, False):
        exported = convert(model, views.shape[1:], half=half)
        gap = difference(model, exported, views)
        if gap.max() <= PARITY:
            return exported, {
                "weight_bits": 16 if half else 32,
                "images": len(gap),
                "max": float(gap.max()),
                "mean": float(gap.mean()),
            }
    raise ValueError(f"{model.name} as exported differs from Keras by {gap.max():.2g}")


def export(configs: Iterable[Config], places: Places, directory: Path) -> Manifest:
    """Write the members' files and a manifest for them.

    Raises:
        ValueError: a member's file does not answer as Keras does.
    """
    images = packs.load("val", places.data, places.cache)
    some = np.linspace(0, len(images) - 1, PARITY_IMAGES, dtype=int).tolist()
    records, files = [], {}
    for config in configs:
        member = MEMBERS[config.member]
        model = member.build()
        model.load_weights(places.run(member.name) / "final.weights.h5")
        exported, parity = _convert_within_parity(model, serving_views(images, member.view, some))
        file = f"{member.name}.tflite"
        files[file] = exported
        records.append(
            MemberRecord(
                name=member.name,
                file=file,
                sha256=hashlib.sha256(exported).hexdigest(),
                view=member.view.name,
                calibration=Scale(slope=1, intercept=0),
                references=_references(member, model),
                parity=parity,
                training=config.model_dump(),
            )
        )
    manifest = Manifest(
        released=datetime.now(UTC).date().isoformat(),
        members=tuple(records),
        stack=Stack(weights={record.name: 1 / len(records) for record in records}, intercept=0),
        thresholds=Thresholds(real=0.2, ai=0.8),
    )
    directory.mkdir(parents=True, exist_ok=True)
    for name, exported in files.items():
        (directory / name).write_bytes(exported)
    write(manifest, directory)
    return manifest


def write(manifest: Manifest, directory: Path) -> None:
    """Write ``manifest.json``."""
    (directory / "manifest.json").write_text(manifest.model_dump_json(indent=2) + "\n")


def _references(member: Member, model: keras.Model) -> tuple[Reference, ...]:
    views = np.stack(
        [member.view.serve(prepare(getattr(skimage.data, name)())) for name in PHOTOGRAPHS]
    )
    return tuple(
        Reference(image=name, probability=sigmoid(float(logit)))
        for name, logit in zip(PHOTOGRAPHS, logits(model, views), strict=True)
    )


def main() -> None:
    """Read the command line and export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configs", type=Path, default=Path("training/configs"))
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="folder to write to")
    add_arguments(parser)
    arguments = parser.parse_args()
    configs = [read_config(path) for path in sorted(arguments.configs.glob("*.toml"))]
    print(f"model version {export(configs, Places.of(arguments), arguments.weights).version}")


if __name__ == "__main__":
    main()
