"""The ensemble: members' logits → calibrated probability → label."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path

from models.manifest import WEIGHTS, Manifest, MemberRecord, Thresholds, WeightsError, load_manifest
from models.members import MEMBERS
from models.runtime import Runtime
from models.verdict import Label
from models.views import Pixels, View, prepare


@dataclass(frozen=True)
class Judgement:
    """What the ensemble thinks of one image.

    Args:
        label: the verdict's label.
        probability: calibrated probability that the image is AI-made.
        members: each member's own calibrated probability.
    """

    label: Label
    probability: float
    members: dict[str, float]


class Ensemble:
    """The members, loaded, and the rule that combines them; not to be shared between threads.

    Args:
        manifest: the rule.
        runtimes: for each member its view and its runtime.
    """

    def __init__(self, manifest: Manifest, runtimes: dict[str, tuple[View, Runtime]]) -> None:
        self._manifest = manifest
        self._runtimes = runtimes

    @classmethod
    def load(cls, directory: Path = WEIGHTS) -> Ensemble:
        """Load the members of a directory of weights, each held to its digest in the manifest.

        Raises:
            WeightsError: the manifest or a file is missing, damaged or made for other views.
        """
        manifest = load_manifest(directory)
        return cls(manifest, {record.name: _load(directory, record) for record in manifest.members})

    @property
    def version(self) -> str:
        """The model version that verdicts carry."""
        return self._manifest.version

    def judge(self, pixels: Pixels) -> Judgement:
        """Judge one image.

        Args:
            pixels: upright sRGB, shape (height, width, 3), uint8.

        Raises:
            ValueError: the array is not of that shape and type.
        """
        return combine(self._manifest, self.logits(pixels))

    def logits(self, pixels: Pixels) -> dict[str, float]:
        """Run every member: its mean logit over its views of the image; positive speaks for AI."""
        image = prepare(pixels)
        # Members may share a view; it is cut once.
        views = {view: view.serve(image) for view in {view for view, _ in self._runtimes.values()}}
        return {
            name: runtime.logit(views[view]) for name, (view, runtime) in self._runtimes.items()
        }


def combine(manifest: Manifest, logits: dict[str, float]) -> Judgement:
    """Turn the members' logits into a judgement; the one place that does."""
    stack = manifest.stack
    total = sum(stack.weights[name] * logit for name, logit in logits.items())
    probability = sigmoid(total + stack.intercept)
    return Judgement(
        label=label_of(probability, manifest.thresholds),
        probability=probability,
        members={
            member.name: sigmoid(
                member.calibration.slope * logits[member.name] + member.calibration.intercept
            )
            for member in manifest.members
        },
    )


def label_of(probability: float, thresholds: Thresholds) -> Label:
    """Name the side of the thresholds on which a probability lies."""
    if probability >= thresholds.ai:
        return Label.AI
    if probability < thresholds.real:
        return Label.REAL
    return Label.UNCERTAIN


def sigmoid(logit: float) -> float:
    """Return the logistic function, for any finite logit without overflow."""
    return 0.5 * (1.0 + math.tanh(0.5 * logit))


def _load(directory: Path, record: MemberRecord) -> tuple[View, Runtime]:
    member = MEMBERS.get(record.name)
    if member is None:
        raise WeightsError(f"the manifest lists an unknown member: {record.name}")
    if record.view != member.view.name:
        raise WeightsError(
            f"{record.name} was trained on {record.view}, and would be shown {member.view.name}"
        )
    path = directory / record.file
    try:
        model = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"no weights at {path}: {error.strerror}") from error
    if hashlib.sha256(model).hexdigest() != record.sha256:
        raise WeightsError(f"{path} is not the file that the manifest names")
    runtime = Runtime(model)
    if runtime.shape != member.view.shape:
        raise WeightsError(f"{path} takes {runtime.shape}, its view makes {member.view.shape}")
    return member.view, runtime
