"""The manifest of the weights: which files, how they combine, and the version they make.

Light on purpose (pydantic and no more): the API reads the version from here and loads no model.
"""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from settings import SecondLook

WEIGHTS = Path(__file__).parent / "weights"
"""The weights that are shipped."""


class WeightsError(Exception):
    """The weights are missing, damaged, or not those that this code was made for."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Scale(_Record):
    """Platt scaling: a logit becomes ``slope * logit + intercept``."""

    slope: float
    intercept: float


class Reference(_Record):
    """What a member answered for a public photograph when it was exported."""

    image: str = Field(description="A function of skimage.data.")
    probability: float = Field(ge=0, le=1, description="sigmoid of the mean logit, uncalibrated.")


class MemberRecord(_Record):
    """One exported member."""

    name: str
    file: str = Field(description="The .xml beside the manifest; its .bin has the same stem.")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Of the .xml and the .bin after it.")
    view: str = Field(description="The name of the view it was trained on.")
    calibration: Scale = Field(description="Makes the member's own probability of its logit.")
    references: tuple[Reference, ...] = ()
    parity: dict[str, float] = Field(
        default_factory=dict, description="Exported against Keras on validation images."
    )
    training: dict[str, Any] = Field(
        default_factory=dict, description="Configuration, seed and outcome of the training run."
    )


class Stack(_Record):
    """The logistic combination of the members' logits."""

    weights: dict[str, float]
    intercept: float


class Thresholds(_Record):
    """Probabilities at which the label changes: below ``real``, from ``ai`` on."""

    real: float = Field(ge=0, le=1)
    ai: float = Field(ge=0, le=1)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.real > self.ai:
            raise ValueError("the threshold of real lies above that of ai")
        return self


class FirstLook(_Record):
    """How the light members judge without the strong one.

    Args:
        stack: of the light members alone.
        thresholds: of their labels, where there is no second look.
        doubt: they are sure below ``real`` and from ``ai`` on; between, a second look is due.
    """

    stack: Stack
    thresholds: Thresholds
    doubt: Thresholds


class Manifest(_Record):
    """What ``manifest.json`` says."""

    released: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$", description="The day of the export.")
    members: tuple[MemberRecord, ...] = Field(min_length=1)
    stack: Stack = Field(description="Of the members whose answers decide; the others add nothing.")
    thresholds: Thresholds
    first_look: FirstLook | None = Field(
        default=None, description="Without it, what decides looks at every image."
    )
    trained_on: tuple[str, ...] = Field(
        default=("train",), description="The splits that the head of clip was fitted to."
    )

    @model_validator(mode="after")
    def _members_have_a_part(self) -> Self:
        names = {member.name for member in self.members}
        first = set(self.first_look.stack.weights) if self.first_look else set()
        if names != set(self.stack.weights) | first:
            raise ValueError("the members listed are not those that the stacks weigh")
        if first == names:
            raise ValueError("a first look by all members leaves none for a second")
        return self

    def judging(self, second_look: SecondLook) -> set[str]:
        """Return the members that judge with a setting of the second look; others never look."""
        names: set[str] = set()
        if second_look != "never" or self.first_look is None:
            names |= set(self.stack.weights)
        if second_look != "always" and self.first_look is not None:
            names |= set(self.first_look.stack.weights)
        return names

    def version_with(self, second_look: SecondLook) -> str:
        """Return the model version of verdicts given with a setting of the second look."""
        looks_always = second_look == "always" or self.first_look is None
        return self.version if looks_always else f"{self.version}-{second_look}"

    @cached_property
    def version(self) -> str:
        """The model version of verdicts, e.g. ``2026-11-22.1f0c9a2b``.

        Derived from all that a verdict depends on, so that a new model never serves an old
        verdict, and a note about the training changes nothing.
        """
        decisive = {
            "members": [
                [member.name, member.sha256, member.view, member.calibration.model_dump()]
                for member in self.members
            ],
            "stack": self.stack.model_dump(),
            "thresholds": self.thresholds.model_dump(),
            "first_look": self.first_look and self.first_look.model_dump(),
        }
        content = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()
        return f"{self.released}.{content[:8]}"


def digest(model: bytes, weights: bytes) -> str:
    """Return the ``sha256`` of a member's record."""
    return hashlib.sha256(model + weights).hexdigest()


def load_manifest(directory: Path = WEIGHTS) -> Manifest:
    """Read and validate ``manifest.json``.

    Raises:
        WeightsError: it is missing or does not say what a manifest must.
    """
    path = directory / "manifest.json"
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise WeightsError(f"no manifest at {path}: {error.strerror}") from error
    except ValueError as error:
        raise WeightsError(f"{path} is not a valid manifest: {error}") from error
