"""Exports the trained members: ``python -m training.export``.

The networks are converted from Keras to OpenVINO. Convolutional networks compute in 8-bit integers
if that costs no accuracy on ``val``. The others compute in floats, with the fewest weight bits that
leave the members' outputs unchanged. Each float file is compared with Keras on validation images.
The manifest stores the outputs for a few public photographs, so the shipped files can be verified
on any machine. Heads have files of their own, so a new head leaves the encoder's files unchanged.

The manifest of this step has no fitted stages. ``training.calibrate`` fits them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import keras
import numpy as np
import openvino as ov
import skimage.data
from numpy.typing import NDArray
from PIL import Image

from models.ensemble import sigmoid
from models.manifest import (
    WEIGHTS,
    FilesRecord,
    Manifest,
    MemberRecord,
    NetworkRecord,
    Reference,
    Scale,
    Stage,
    Thresholds,
    digest,
)
from models.members import MEMBERS, NETWORKS, Member, Network
from models.networks import PLAIN, Floats, Head, Inference, Loaded, LoadedMember, LoadedNetwork
from models.processor import Precision
from models.runtime import Runtime
from models.views import Pixels, prepare
from training import metrics
from training.clip_weights import fetch_file, load_clip, read_arrays
from training.convert import quantise, serialise, shrink, to_openvino
from training.datasets import packs
from training.paths import Paths, add_arguments
from training.train import serving_views

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "retina", "rocket")
"""Functions of skimage.data. Their photographs are in the public domain and in its wheel."""

PARITY_IMAGES = 100
PARITY = 1e-3
"""Largest difference in probability between a float export and Keras."""

LOST = 0.003
"""Largest loss of balanced accuracy, and of AUC, by computing in integers."""


Files = tuple[bytes, bytes]
"""The ``.xml`` and the ``.bin`` of a network."""


class InKeras:
    """Runs a network in Keras, for comparison."""

    def __init__(self, model: keras.Model) -> None:
        self._model = model

    def run(self, given: Pixels | Floats) -> list[Floats]:
        """Return the network's outputs."""
        outputs = self._model(given, training=False)
        return [np.asarray(each) for each in (outputs if isinstance(outputs, list) else [outputs])]


@dataclass(frozen=True)
class Exported:
    """An exported network: its files, weight bits, and difference from Keras."""

    files: Files
    parity: dict[str, float]


@dataclass(frozen=True)
class Built:
    """The trained networks in Keras, and the exported ones, by name."""

    models: dict[str, keras.Model]
    exported: dict[str, Exported]

    def in_keras(self, member: Member, head: Head) -> Loaded:
        """Return a member that runs in Keras."""
        return _loaded(member, head, {name: InKeras(self.models[name]) for name in member.networks})

    def in_openvino(
        self, member: Member, head: Head, changed: Mapping[str, Files], precision: Precision | None
    ) -> Loaded:
        """Return an exported member.

        Args:
            member: the member.
            head: its head.
            changed: networks that are not exported yet, or replace exported ones.
            precision: of the arithmetic, see ``Runtime``.
        """
        files = {name: each.files for name, each in self.exported.items()} | dict(changed)
        runtimes = {name: Runtime(*files[name], precision=precision) for name in member.networks}
        return _loaded(member, head, runtimes)


def _loaded(member: Member, head: Head, runtimes: Mapping[str, InKeras | Runtime]) -> Loaded:
    networks = {
        name: LoadedNetwork(NETWORKS[name].input, runtime) for name, runtime in runtimes.items()
    }
    return Loaded(networks, {member.name: LoadedMember(member.networks, head)})


def probabilities(loaded: Loaded, name: str, images: Sequence[Image.Image]) -> NDArray[np.float64]:
    """Return a member's uncalibrated probability for each prepared image."""
    return np.array([sigmoid(Inference(image, loaded).logit(name)) for image in images])


def attempts(model: keras.Model, count: int) -> Iterator[tuple[int, Files]]:
    """Yield the weight bits and files of a network in floats, the smallest first.

    Args:
        model: in Keras.
        count: inputs per image.
    """
    network = to_openvino(model, count)
    whole, small = serialise(network), serialise(shrink(network))
    if len(small[1]) < len(whole[1]) / 2:  # The network consists mostly of large matrices.
        yield 8, small
    yield 16, serialise(network, half=True)
    yield 32, whole


def in_floats(
    built: Built, member: Member, head: Head, network: str, images: Sequence[Image.Image]
) -> Exported:
    """Choose the smallest weights of a network that leave the member's outputs unchanged.

    Raises:
        ValueError: even with 32-bit weights, the outputs differ from Keras.
    """
    theirs = probabilities(built.in_keras(member, head), member.name, images)
    for bits, files in attempts(built.models[network], _count(NETWORKS[network])):
        ours = built.in_openvino(member, head, {network: files}, "f32")
        gap = np.abs(probabilities(ours, member.name, images) - theirs)
        if gap.max() <= PARITY:
            measured = {"max": float(gap.max()), "mean": float(gap.mean())}
            return Exported(files, {"weight_bits": bits, "images": len(gap), **measured})
    raise ValueError(f"{network} as exported differs from Keras by {gap.max():.2g}")


def in_integers(
    built: Built, member: Member, network: ov.Model, images: packs.Images, ranges: Pixels
) -> Exported:
    """Quantise a member's only network, and measure the loss.

    Args:
        built: the networks.
        member: it has no head.
        network: in floats.
        images: of ``val``. Both versions are compared on the modern ones.
        ranges: views of training images, to calibrate the activation ranges.
    """
    files = serialise(quantise(network, ranges))
    modern = [i for i, example in enumerate(images.examples) if example.pack == "modern"]
    examples = [images.examples[i] for i in modern]
    ai, sample_weight = np.array([example.ai for example in examples]), packs.weights(examples)
    prepared = [prepare(images.pixels(i)) for i in modern]

    def measures(files: Files) -> NDArray[np.float64]:
        loaded = built.in_openvino(member, PLAIN, {member.networks[0]: files}, "f32")
        answers = probabilities(loaded, member.name, prepared)
        return np.array(
            [
                metrics.balanced_accuracy(ai, answers, sample_weight),
                metrics.auc(ai, answers, sample_weight),
            ]
        )

    accuracy, auc = measures(serialise(network)) - measures(files)
    lost = {"accuracy_lost": float(accuracy), "auc_lost": float(auc)}
    return Exported(files, {"weight_bits": 8, "images": len(modern), **lost})


def export(members: Mapping[str, Member], paths: Paths, directory: Path) -> Manifest:
    """Write the networks, the heads and the manifest.

    Raises:
        FileNotFoundError: a member is not trained.
        ValueError: a member's outputs differ from Keras.
    """
    images = packs.load("val", paths.data, paths.cache)
    seen = packs.load("train", paths.data, paths.cache)
    prepared = [prepare(images.pixels(index)) for index in _some(images)]
    directory.mkdir(parents=True, exist_ok=True)
    built, records = Built({}, {}), []
    for member in members.values():
        training = json.loads((paths.run(member.name) / "training.json").read_text())
        head = _head(member, paths)
        for name in member.networks:
            if name in built.models:
                continue
            built.models[name] = _trained(NETWORKS[name], paths)
            exported = in_floats(built, member, head, name, prepared)
            if training.get("integers"):
                network = to_openvino(built.models[name], _count(NETWORKS[name]))
                ranges = serving_views(seen, NETWORKS[name].view, _some(seen))
                quantised = in_integers(built, member, network, images, ranges)
                if max(quantised.parity["accuracy_lost"], quantised.parity["auc_lost"]) <= LOST:
                    exported = quantised
            built.exported[name] = exported
        records.append(
            MemberRecord(
                name=member.name,
                networks=member.networks,
                head=_write_head(member, head, directory) if member.depths else None,
                calibration=Scale(slope=1, intercept=0),
                references=_references(built, member, head),
                training=training,
            )
        )
    networks = [_write_network(name, each, directory) for name, each in built.exported.items()]
    manifest = Manifest(
        released=datetime.now(UTC).date().isoformat(),
        networks=tuple(networks),
        members=tuple(records),
        light=_unfitted([member.name for member in members.values() if not member.depths]),
        stages=tuple(_unfitted([name]) for name, member in members.items() if member.depths),
    )
    write(manifest, directory)
    return manifest


def _head(member: Member, paths: Paths) -> Head:
    if not member.depths:
        return PLAIN
    return Head.from_bytes((paths.run(member.name) / "head.npy").read_bytes())


def _trained(network: Network, paths: Paths) -> keras.Model:
    """Build a network with its weights: those of a training run, or CLIP's."""
    model = network.build()
    weights = paths.run(network.name) / "final.weights.h5"
    if weights.exists():
        model.load_weights(weights)
    else:
        load_clip(model, read_arrays(fetch_file(paths.run("clip"))))
    return model


def _count(network: Network) -> int:
    """Return the number of inputs per image. Tokens belong to one view."""
    return 1 if isinstance(network.input, str) else network.input.shape[0]


def _some(images: packs.Images) -> list[int]:
    """Return the indices of images spread evenly over a split."""
    indices: list[int] = np.linspace(0, len(images) - 1, PARITY_IMAGES, dtype=int).tolist()
    return indices


def _write_head(member: Member, head: Head, directory: Path) -> FilesRecord:
    file, content = f"{member.name}.npy", head.to_bytes()
    (directory / file).write_bytes(content)
    return FilesRecord(file=file, sha256=digest(content))


def _write_network(name: str, exported: Exported, directory: Path) -> NetworkRecord:
    model, weights = exported.files
    (directory / f"{name}.xml").write_bytes(model)
    (directory / f"{name}.bin").write_bytes(weights)
    return NetworkRecord(
        name=name,
        file=f"{name}.xml",
        sha256=digest(model, weights),
        input=NETWORKS[name].takes,
        parity=exported.parity,
    )


def _unfitted(names: Sequence[str]) -> Stage:
    """Return a stage with equal weights that always asks the next one."""
    return Stage(
        weights={name: 1 / len(names) for name in names},
        intercept=0,
        thresholds=Thresholds(real=0.2, ai=0.8),
        doubt=Thresholds(real=0, ai=1),
    )


def write(manifest: Manifest, directory: Path) -> None:
    """Write ``manifest.json``."""
    (directory / "manifest.json").write_text(manifest.model_dump_json(indent=2) + "\n")


def _references(built: Built, member: Member, head: Head) -> tuple[Reference, ...]:
    """Return the exported member's outputs in 32-bit floats, which are equal on all machines."""
    loaded = built.in_openvino(member, head, {}, "f32")
    images = [prepare(getattr(skimage.data, name)()) for name in PHOTOGRAPHS]
    return tuple(
        Reference(image=name, probability=probability)
        for name, probability in zip(
            PHOTOGRAPHS, probabilities(loaded, member.name, images).tolist(), strict=True
        )
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
