"""The weights' manifest: files, combination rule, thresholds and model version.

This module imports pydantic only, so the API can read the version without loading a model.
"""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from settings import CascadeMode

WEIGHTS = Path(__file__).parent / "weights"
"""The shipped weights."""


class WeightsError(Exception):
    """The weights are missing, damaged or made for other code."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Scale(_Record):
    """Platt scaling: a logit becomes ``slope * logit + intercept``."""

    slope: float
    intercept: float


class Reference(_Record):
    """A member's output for a public photograph at export."""

    image: str = Field(description="A function of skimage.data.")
    probability: float = Field(ge=0, le=1, description="sigmoid of the mean logit, uncalibrated.")


class MemberRecord(_Record):
    """One exported member."""

    name: str
    file: str = Field(description="The .xml beside the manifest. Its .bin has the same stem.")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Of the .xml followed by the .bin.")
    view: str = Field(description="The name of the view it was trained on.")
    calibration: Scale = Field(description="Turns the logit into the member's own probability.")
    references: tuple[Reference, ...] = ()
    parity: dict[str, float] = Field(
        default_factory=dict, description="Exported model against Keras, on validation images."
    )
    training: dict[str, Any] = Field(
        default_factory=dict, description="Configuration, seed and outcome of the training run."
    )


class Stack(_Record):
    """The logistic combination of the members' logits."""

    weights: dict[str, float]
    intercept: float


class Thresholds(_Record):
    """Label thresholds on the probability: ``real`` below the first, ``ai`` from the second on."""

    real: float = Field(ge=0, le=1)
    ai: float = Field(ge=0, le=1)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.real > self.ai:
            raise ValueError("the threshold of real is above that of ai")
        return self


class Cascade(_Record):
    """The first stage of the cascade: the light members without the strong one.

    Args:
        stack: combines the light members.
        thresholds: for the labels, if no second stage runs.
        doubt: between these two probabilities the second stage runs in the mode ``auto``.
    """

    stack: Stack
    thresholds: Thresholds
    doubt: Thresholds


class Manifest(_Record):
    """The content of ``manifest.json``."""

    released: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$", description="The day of the export.")
    members: tuple[MemberRecord, ...] = Field(min_length=1)
    stack: Stack = Field(description="Combines the members that set the verdict.")
    thresholds: Thresholds
    cascade: Cascade | None = Field(
        default=None, description="None: the members of ``stack`` run on every image."
    )
    trained_on: tuple[str, ...] = Field(
        default=("train",), description="The splits that the head of clip was fitted to."
    )

    @model_validator(mode="after")
    def _every_member_is_used(self) -> Self:
        names = {member.name for member in self.members}
        light = set(self.cascade.stack.weights) if self.cascade else set()
        if names != set(self.stack.weights) | light:
            raise ValueError("the listed members differ from the stacks' members")
        if light == names:
            raise ValueError("all members are in the first stage of the cascade")
        return self

    def used_members(self, cascade_mode: CascadeMode) -> set[str]:
        """Return the names of the members that may run in a cascade mode."""
        names: set[str] = set()
        if cascade_mode != "never" or self.cascade is None:
            names |= set(self.stack.weights)
        if cascade_mode != "always" and self.cascade is not None:
            names |= set(self.cascade.stack.weights)
        return names

    def version_for(self, cascade_mode: CascadeMode) -> str:
        """Return the model version for verdicts of a cascade mode."""
        if cascade_mode == "always" or self.cascade is None:
            return self.version
        return f"{self.version}-{cascade_mode}"

    @cached_property
    def version(self) -> str:
        """The model version for verdicts, e.g. ``2026-11-22.1f0c9a2b``.

        It is derived from everything that affects a verdict. So a new model never serves an old
        verdict, and a note about the training does not change the version.
        """
        decisive = {
            "members": [
                [member.name, member.sha256, member.view, member.calibration.model_dump()]
                for member in self.members
            ],
            "stack": self.stack.model_dump(),
            "thresholds": self.thresholds.model_dump(),
            # The key of the first release. Another one would change every version.
            "first_look": self.cascade and self.cascade.model_dump(),
        }
        content = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()
        return f"{self.released}.{content[:8]}"


def digest(model: bytes, weights: bytes) -> str:
    """Return the ``sha256`` for a member's record."""
    return hashlib.sha256(model + weights).hexdigest()


def load_manifest(directory: Path = WEIGHTS) -> Manifest:
    """Read and validate ``manifest.json``.

    Raises:
        WeightsError: it is missing or not a valid manifest.
    """
    path = directory / "manifest.json"
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise WeightsError(f"no manifest at {path}: {error.strerror}") from error
    except ValueError as error:
        raise WeightsError(f"{path} is not a valid manifest: {error}") from error
