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
from settings import SecondLook


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


Watch = Callable[[str, float], None]
"""Takes a member's name, and the seconds for which it looked."""


def _watch_nothing(_name: str, _seconds: float) -> None:
    """Do nothing."""


class Ensemble:
    """The members, loaded, and the rule that combines them; not to be shared between threads.

    Args:
        manifest: the rule.
        runtimes: for each member its view and its runtime.
        second_look: when members look that have no part in the manifest's first look.

    Attributes:
        watch: is told of each member that looked, and for how many seconds.
    """

    def __init__(
        self,
        manifest: Manifest,
        runtimes: dict[str, tuple[View, Runtime]],
        second_look: SecondLook = "always",
    ) -> None:
        self._manifest = manifest
        self._runtimes = runtimes
        self._second_look = second_look
        self.watch: Watch = _watch_nothing

    @classmethod
    def load(cls, directory: Path = WEIGHTS, second_look: SecondLook = "always") -> Ensemble:
        """Load the members of a directory of weights, each held to its digest in the manifest.

        Members that will never look are not loaded.

        Args:
            directory: holds the manifest and the files that it names.
            second_look: when members look that have no part in the manifest's first look.

        Raises:
            WeightsError: the manifest or a file is missing, damaged or made for other views.
        """
        manifest = load_manifest(directory)
        needed = manifest.judging(second_look)
        runtimes = {
            record.name: load_member(directory, record, THREADS)
            for record in manifest.members
            if record.name in needed
        }
        return cls(manifest, runtimes, second_look)

    @property
    def version(self) -> str:
        """The model version that verdicts carry."""
        return self._manifest.version_with(self._second_look)

    def judge(self, pixels: Pixels) -> Judgement:
        """Judge one image.

        Args:
            pixels: upright sRGB, shape (height, width, 3), uint8.

        Raises:
            ValueError: the array is not of that shape and type.
        """
        look = _Look(prepare(pixels), self._runtimes, self.watch)
        first = self._manifest.first_look
        if first and self._second_look != "always":
            look.by(first.stack.weights)
            sure = label_of(probability_of(first.stack, look.logits), first.doubt)
            if self._second_look == "never" or sure is not Label.UNCERTAIN:
                return combine(self._manifest, look.logits)
        look.by(self._manifest.stack.weights)
        return combine(self._manifest, look.logits)

    def logits(self, pixels: Pixels) -> dict[str, float]:
        """Run every loaded member: its mean logit over its views; positive speaks for AI."""
        look = _Look(prepare(pixels), self._runtimes, self.watch)
        look.by(self._runtimes)
        return look.logits


class _Look:
    """One image, the views that were cut from it, and what members said of it so far."""

    def __init__(
        self, image: Image.Image, runtimes: dict[str, tuple[View, Runtime]], watch: Watch
    ) -> None:
        self._image = image
        self._runtimes = runtimes
        self._watch = watch
        self._views: dict[View, Pixels] = {}  # Members may share a view; it is cut once.
        self.logits: dict[str, float] = {}

    def by(self, names: Iterable[str]) -> None:
        """Let members look that have not looked yet."""
        for name in names:
            if name not in self.logits:
                view, runtime = self._runtimes[name]
                if view not in self._views:
                    self._views[view] = view.serve(self._image)
                began = time.perf_counter()
                self.logits[name] = runtime.logit(self._views[view])
                self._watch(name, time.perf_counter() - began)


def combine(manifest: Manifest, logits: dict[str, float]) -> Judgement:
    """Turn members' logits into a judgement; the one place that does.

    Args:
        manifest: tells how.
        logits: of all members, or of those of the first look.
    """
    first = manifest.first_look
    rule = first if first and set(logits) == set(first.stack.weights) else manifest
    probability = probability_of(rule.stack, logits)
    return Judgement(
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
    """Return the calibrated probability of AI by a stack of members."""
    total = sum(weight * logits[name] for name, weight in stack.weights.items())
    return sigmoid(total + stack.intercept)


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


def load_member(directory: Path, record: MemberRecord, threads: int = 1) -> tuple[View, Runtime]:
    """Load one member, and the view that it takes.

    Raises:
        WeightsError: its file is missing, damaged, or made for another view.
    """
    member = MEMBERS.get(record.name)
    if member is None:
        raise WeightsError(f"the manifest lists an unknown member: {record.name}")
    if record.view != member.view.name:
        raise WeightsError(
            f"{record.name} was trained on {record.view}, and would be shown {member.view.name}"
        )
    path = directory / record.file
    try:
        model, weights = path.read_bytes(), path.with_suffix(".bin").read_bytes()
    except OSError as error:
        raise WeightsError(f"no weights at {error.filename}: {error.strerror}") from error
    if digest(model, weights) != record.sha256:
        raise WeightsError(f"{path} is not the file that the manifest names")
    runtime = Runtime(model, weights, threads=threads)
    if runtime.shape != member.view.shape:
        raise WeightsError(f"{path} takes {runtime.shape}, its view makes {member.view.shape}")
    return member.view, runtime
