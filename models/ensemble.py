"""The ensemble: members' logits → calibrated probability → label, which evidence may change."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from models import networks
from models.explain import PartMap, judge_windows, map_patches
from models.manifest import WEIGHTS, Manifest, Stage, Thresholds, load_manifest
from models.networks import Inference, Loaded
from models.verdict import LEANS, DecidedBy, Evidence, Label
from models.views import Pixels, prepare
from settings import CascadeMode


@dataclass(frozen=True)
class Classification:
    """The ensemble's answer for the pixels of one image.

    Args:
        label: the label by the pixels alone.
        probability: calibrated probability that the image is AI-made, 0 to 1.
        members: each member's own calibrated probability, 0 to 1.
    """

    label: Label
    probability: float
    members: dict[str, float]


InferenceHook = Callable[[str, float], None]
"""Called with a member's name and the seconds of the networks that it had to run."""


def _ignore(_name: str, _seconds: float) -> None:
    """Do nothing."""


class Ensemble:
    """The loaded members and the rule that combines them. Do not share it between threads.

    Args:
        manifest: the rule.
        loaded: the members of the mode, and their networks.
        cascade_mode: which stages of the cascade run, see ``CascadeMode``.

    Attributes:
        on_inference: called after each inference of a member.
    """

    def __init__(
        self, manifest: Manifest, loaded: Loaded, cascade_mode: CascadeMode = "always"
    ) -> None:
        self._manifest = manifest
        self._loaded = loaded
        self._cascade_mode: CascadeMode = cascade_mode
        self.on_inference: InferenceHook = _ignore

    @classmethod
    def load(cls, directory: Path = WEIGHTS, cascade_mode: CascadeMode = "always") -> Ensemble:
        """Load the members of a cascade mode from a directory and verify their digests.

        Args:
            directory: holds the manifest and the files that it names.
            cascade_mode: which stages of the cascade run, see ``CascadeMode``.

        Raises:
            WeightsError: the manifest or a file is missing, damaged or made for other code.
        """
        manifest = load_manifest(directory)
        members = manifest.members_for(cascade_mode)
        return cls(manifest, networks.load(directory, manifest, members), cascade_mode)

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
        inference = Inference(prepare(pixels), self._loaded)

        def ask(name: str) -> float:
            started = time.perf_counter()
            logit = inference.logit(name)
            self.on_inference(name, time.perf_counter() - started)
            return logit

        return decide(self._manifest, self._cascade_mode, ask)

    def map_parts(self, pixels: Pixels) -> PartMap:
        """Return where an image looks AI-made; see `models.explain`.

        Args:
            pixels: upright sRGB, shape (height, width, 3), uint8.

        Raises:
            ValueError: the array has another shape or type.
        """
        parts = self._loaded.parts
        if parts is None:
            return judge_windows(pixels, lambda window: self.classify(window).probability)
        (network,) = parts.networks
        tokens = Inference(prepare(pixels), self._loaded).tokens(network)
        return map_patches(tokens, parts.head)


def decide(
    manifest: Manifest, cascade_mode: CascadeMode, ask: Callable[[str], float]
) -> Classification:
    """Ask the members stage by stage until one is sure. Serving and evaluation both use this.

    Args:
        manifest: the rule.
        cascade_mode: which stages run.
        ask: returns a member's logit. It is called once per member.
    """
    logits: dict[str, float] = {}
    for stage in manifest.stages_for(cascade_mode):
        logits |= {name: ask(name) for name in stage.weights if name not in logits}
        probability = probability_of(stage, logits)
        label = label_of(probability, stage.thresholds)
        if stage.doubt is None or not stage.doubt.real <= probability < stage.doubt.ai:
            break
    scales = {member.name: member.calibration for member in manifest.members}
    return Classification(
        label=label,
        probability=probability,
        members={
            name: sigmoid(scales[name].slope * logit + scales[name].intercept)
            for name, logit in logits.items()
        },
    )


def probability_of(stage: Stage, logits: Mapping[str, float]) -> float:
    """Return a stage's calibrated probability that the image is AI-made."""
    total = sum(weight * logits[name] for name, weight in stage.weights.items())
    return sigmoid(total + stage.intercept)


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


class Decision(NamedTuple):
    """The verdict's label, and what set it."""

    label: Label
    decided_by: DecidedBy


def combine(pixels: Label, probability: float, evidence: Sequence[Evidence]) -> Decision:
    """Decide the verdict's label. This is the one rule that weighs evidence against pixels.

    ======================================  ==========  ============================================
    evidence                                pixels      label
    ======================================  ==========  ============================================
    trusted signer: generated by AI         any         ``ai``
    trusted signer: AI edited or added      real        ``uncertain``
    the same                                uncertain   ``ai``, unless the pixels lean to real
    trusted signer: captured by a camera,   ai          ``uncertain``
    and no other evidence says AI
    the same                                uncertain   ``real``, unless the pixels lean to AI
    unsigned marks of a generator           uncertain   ``ai``, if the pixels lean to AI
    all else, also unknown signers          any         as the pixels say
    ======================================  ==========  ============================================

    Nobody can forge a trusted signature. Anybody can forge an unsigned mark, so it only confirms
    what the pixels lean to, and no unsigned claim counts for ``real``. A camera can photograph an
    AI image, so a capture settles nothing. How the rule was chosen: docs/evidence.md.

    A change of the rule, or of what counts as evidence, needs a new `models.manifest.RULE`.

    Args:
        pixels: the label by the pixels alone.
        probability: that the image is AI-made, by the pixels alone.
        evidence: what `models.evidence.find_evidence` found.
    """
    label, by = _weighed(pixels, probability, evidence)
    return Decision(label, by if label is not pixels or by == "credentials" else "pixels")


def _weighed(
    pixels: Label, probability: float, evidence: Sequence[Evidence]
) -> tuple[Label, DecidedBy]:
    uncertain = pixels is Label.UNCERTAIN
    leans_to_real, leans_to_ai = probability <= 1 - LEANS, probability >= LEANS
    trusted = next((fact for fact in evidence if fact.trusted), None)
    says_ai = [fact for fact in evidence if fact.says == "ai"]
    is_marked = any(fact.kind != "c2pa" for fact in says_ai)
    if trusted is not None and trusted.says == "ai":
        if trusted.origin == "generated" or (uncertain and not leans_to_real):
            return Label.AI, "credentials"
        if pixels is Label.REAL:
            return Label.UNCERTAIN, "credentials"
    elif trusted is not None and trusted.origin == "captured" and not says_ai:
        if uncertain and not leans_to_ai:
            return Label.REAL, "credentials"
        if pixels is Label.AI:
            return Label.UNCERTAIN, "credentials"
    elif trusted is None and uncertain and leans_to_ai and is_marked:
        return Label.AI, "marks"
    return pixels, "pixels"
