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
    """What Keras answered for a public photograph, so that the shipped file can be held to it."""

    image: str = Field(description="A function of skimage.data.")
    probability: float = Field(ge=0, le=1, description="sigmoid of the mean logit, uncalibrated.")


class MemberRecord(_Record):
    """One exported member."""

    name: str
    file: str = Field(description="File name beside the manifest.")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
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


class Manifest(_Record):
    """What ``manifest.json`` says."""

    released: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$", description="The day of the export.")
    members: tuple[MemberRecord, ...] = Field(min_length=1)
    stack: Stack
    thresholds: Thresholds

    @model_validator(mode="after")
    def _stack_knows_the_members(self) -> Self:
        names = [member.name for member in self.members]
        if sorted(names) != sorted(self.stack.weights):
            raise ValueError("the stack weighs other members than the manifest lists")
        return self

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
        }
        digest = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()
        return f"{self.released}.{digest[:8]}"


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
