"""The ensemble: members' logits → calibrated probability → label."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from models.manifest import (
    WEIGHTS,
    Manifest,
    MemberRecord,
    Stack,
    Thresholds,
    WeightsError,
    digest,
    load_manifest,
)
from models.members import MEMBERS
from models.runtime import THREADS, Runtime
from models.verdict import Label
from models.views import Pixels, View, prepare
from settings import CascadeMode


@dataclass(frozen=True)
class Classification:
    """The ensemble's answer for one image.

    Args:
        label: the verdict's label.
        probability: calibrated probability that the image is AI-made, 0 to 1.
        members: each member's own calibrated probability, 0 to 1.
    """

    label: Label
    probability: float
    members: dict[str, float]


InferenceHook = Callable[[str, float], None]
"""Called with a member's name and its inference time in seconds."""


def _ignore(_name: str, _seconds: float) -> None:
    """Do nothing."""


class Ensemble:
    """The loaded members and the rule that combines them. Do not share it between threads.

    Args:
        manifest: the rule.
        runtimes: each member's view and runtime.
        cascade_mode: which stages of the cascade run, see ``CascadeMode``.

    Attributes:
        on_inference: called after each inference of a member.
    """

    def __init__(
        self,
        manifest: Manifest,
        runtimes: dict[str, tuple[View, Runtime]],
        cascade_mode: CascadeMode = "always",
    ) -> None:
        self._manifest = manifest
        self._runtimes = runtimes
        self._cascade_mode = cascade_mode
        self.on_inference: InferenceHook = _ignore

    @classmethod
    def load(cls, directory: Path = WEIGHTS, cascade_mode: CascadeMode = "always") -> Ensemble:
        """Load the members from a directory and verify their digests.

        Members that the mode never runs are not loaded.

        Args:
            directory: holds the manifest and the files that it names.
            cascade_mode: which stages of the cascade run, see ``CascadeMode``.

        Raises:
            WeightsError: the manifest or a file is missing, damaged or made for other views.
        """
        manifest = load_manifest(directory)
        used = manifest.used_members(cascade_mode)
        runtimes = {
            record.name: load_member(directory, record, THREADS)
            for record in manifest.members
            if record.name in used
        }
        return cls(manifest, runtimes, cascade_mode)

    @property
    def version(self) -> str:
        """The model version for verdicts."""
        return self._manifest.version_for(self._cascade_mode)

    def classify(self, pixels: Pixels) -> Classification:
        """Classify one image.

        Args:
            pixels: upright sRGB, shape (height, width, 3), uint8.

        Raises:
            ValueError: the array has another shape or type.
        """
        inference = _Inference(prepare(pixels), self._runtimes, self.on_inference)
        light = self._manifest.cascade
        if light and self._cascade_mode != "always":
            inference.run(light.stack.weights)
            label = label_of(probability_of(light.stack, inference.logits), light.doubt)
            if self._cascade_mode == "never" or label is not Label.UNCERTAIN:
                return combine(self._manifest, inference.logits)
        inference.run(self._manifest.stack.weights)
        return combine(self._manifest, inference.logits)

    def logits(self, pixels: Pixels) -> dict[str, float]:
        """Run every loaded member and return its mean logit over its views.

        A positive logit speaks for AI.
        """
        inference = _Inference(prepare(pixels), self._runtimes, self.on_inference)
        inference.run(self._runtimes)
        return inference.logits


class _Inference:
    """One image: the views cut from it so far, and the members' logits so far."""

    def __init__(
        self,
        image: Image.Image,
        runtimes: dict[str, tuple[View, Runtime]],
        on_inference: InferenceHook,
    ) -> None:
        self._image = image
        self._runtimes = runtimes
        self._on_inference = on_inference
        self._views: dict[View, Pixels] = {}  # Members may share a view. It is cut once.
        self.logits: dict[str, float] = {}

    def run(self, names: Iterable[str]) -> None:
        """Run the members that have not run yet."""
        for name in names:
            if name not in self.logits:
                view, runtime = self._runtimes[name]
                if view not in self._views:
                    self._views[view] = view.serve(self._image)
                started = time.perf_counter()
                self.logits[name] = runtime.logit(self._views[view])
                self._on_inference(name, time.perf_counter() - started)


def combine(manifest: Manifest, logits: dict[str, float]) -> Classification:
    """Combine the members' logits. Serving and evaluation both use this function.

    Args:
        manifest: the rule.
        logits: of all members, or of the cascade's light members alone.
    """
    light = manifest.cascade
    rule = light if light and set(logits) == set(light.stack.weights) else manifest
    probability = probability_of(rule.stack, logits)
    return Classification(
        label=label_of(probability, rule.thresholds),
        probability=probability,
        members={
            member.name: sigmoid(
                member.calibration.slope * logits[member.name] + member.calibration.intercept
            )
            for member in manifest.members
            if member.name in logits
        },
    )


def probability_of(stack: Stack, logits: Mapping[str, float]) -> float:
    """Return a stack's calibrated probability that the image is AI-made."""
    total = sum(weight * logits[name] for name, weight in stack.weights.items())
    return sigmoid(total + stack.intercept)


def label_of(probability: float, thresholds: Thresholds) -> Label:
    """Return the label for a probability."""
    if probability >= thresholds.ai:
        return Label.AI
    if probability < thresholds.real:
        return Label.REAL
    return Label.UNCERTAIN


def sigmoid(logit: float) -> float:
    """Return the logistic function. No finite logit overflows."""
    return 0.5 * (1.0 + math.tanh(0.5 * logit))


def load_member(directory: Path, record: MemberRecord, threads: int = 1) -> tuple[View, Runtime]:
    """Load one member and its view.

    Raises:
        WeightsError: its file is missing, damaged or made for another view.
    """
    member = MEMBERS.get(record.name)
    if member is None:
        raise WeightsError(f"the manifest lists an unknown member: {record.name}")
    if record.view != member.view.name:
        raise WeightsError(
            f"{record.name} was trained on {record.view}, but its view here is {member.view.name}"
        )
    path = directory / record.file
    try:
        model, weights = path.read_bytes(), path.with_suffix(".bin").read_bytes()
    except OSError as error:
        raise WeightsError(f"no weights at {error.filename}: {error.strerror}") from error
    if digest(model, weights) != record.sha256:
        raise WeightsError(f"{path} does not match its SHA-256 in the manifest")
    runtime = Runtime(model, weights, threads=threads)
    if runtime.shape != member.view.shape:
        raise WeightsError(f"{path} expects {runtime.shape}, but its view is {member.view.shape}")
    return member.view, runtime
