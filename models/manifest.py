"""The weights' manifest: files, combination rules, thresholds and model version.

This module imports pydantic only, so the API can read the version without loading a model.
"""

from __future__ import annotations

import hashlib
import json
import mmap
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from settings import CascadeMode

WEIGHTS = Path(__file__).parent / "weights"
"""The shipped weights."""

RULE = 1
"""The version of `models.ensemble.combine`, and of what counts as evidence. Raise it with them."""


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
    probability: float = Field(ge=0, le=1, description="sigmoid of the logit, uncalibrated.")


class FilesRecord(_Record):
    """Files that are read together."""

    file: str = Field(description="Beside the manifest. An .xml comes with the .bin of its stem.")
    sha256: str = Field(
        pattern=r"^[0-9a-f]{64}$", description="Of the file. Of the .xml followed by its .bin."
    )

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the files."""
        path = Path(self.file)
        return (path.name, path.with_suffix(".bin").name) if path.suffix == ".xml" else (path.name,)

    def read(self, directory: Path) -> list[mmap.mmap]:
        """Map the files into memory and verify their digest. All processes share the memory.

        Raises:
            WeightsError: a file is missing or damaged.
        """
        try:
            contents = [_mapped(directory / name) for name in self.names]
        except OSError as error:
            raise WeightsError(f"no weights at {error.filename}: {error.strerror}") from error
        if digest(*contents) != self.sha256:
            raise WeightsError(f"{directory / self.file} does not match its SHA-256")
        return contents


class NetworkRecord(FilesRecord):
    """One exported network."""

    name: str
    input: str = Field(description="The name of its view, or of the network whose tokens it takes.")
    parity: dict[str, float] = Field(
        default_factory=dict, description="Exported network against Keras, on validation images."
    )


class MemberRecord(_Record):
    """One member: networks that run one after the other, and the head that ends in a logit."""

    name: str
    networks: tuple[str, ...] = Field(min_length=1)
    head: FilesRecord | None = Field(
        default=None, description="None: the output of the last network is the logit."
    )
    calibration: Scale = Field(description="Turns the logit into the member's own probability.")
    references: tuple[Reference, ...] = ()
    training: dict[str, Any] = Field(
        default_factory=dict, description="Configuration, seed and outcome of the training run."
    )


class PartsRecord(FilesRecord):
    """The head of the map of parts."""

    network: str = Field(description="It reads this network's tokens.")
    training: dict[str, Any] = Field(default_factory=dict, description="What it was fitted to.")


class Thresholds(_Record):
    """Two thresholds on a probability: ``real`` below the first, ``ai`` from the second on."""

    real: float = Field(ge=0, le=1)
    ai: float = Field(ge=0, le=1)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.real > self.ai:
            raise ValueError("the threshold of real is above that of ai")
        return self


class Stage(_Record):
    """A logistic combination of members' logits, and what follows from its probability.

    Args:
        weights: the weight of each member's logit.
        intercept: added to the weighted sum.
        thresholds: for the labels.
        doubt: between these two probabilities the next stage runs. None in the last stage.
    """

    weights: dict[str, float] = Field(min_length=1)
    intercept: float
    thresholds: Thresholds
    doubt: Thresholds | None = None


class Manifest(_Record):
    """The content of ``manifest.json``."""

    released: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$", description="The day of the export.")
    networks: tuple[NetworkRecord, ...] = Field(min_length=1)
    members: tuple[MemberRecord, ...] = Field(min_length=1)
    parts: PartsRecord | None = Field(default=None, description="None until it is fitted.")
    light: Stage = Field(description="The light members.")
    stages: tuple[Stage, ...] = Field(min_length=1, description="The stages of the strong members.")

    @model_validator(mode="after")
    def _every_name_is_used(self) -> Self:
        members = {member.name for member in self.members}
        if members != {name for stage in (self.light, *self.stages) for name in stage.weights}:
            raise ValueError("the listed members differ from the stages' members")
        networks = {network.name for network in self.networks}
        if networks != {name for member in self.members for name in member.networks}:
            raise ValueError("the listed networks differ from the members' networks")
        return self

    def stages_for(self, mode: CascadeMode) -> tuple[Stage, ...]:
        """Return the stages of a cascade mode, in their order."""
        match mode:
            case "never":
                return (self.light,)
            case "auto":
                return (self.light, *self.stages)
            case "always":
                return self.stages

    def members_for(self, mode: CascadeMode) -> list[MemberRecord]:
        """Return the members that may run in a cascade mode."""
        names = {name for stage in self.stages_for(mode) for name in stage.weights}
        return [member for member in self.members if member.name in names]

    def files_for(self, mode: CascadeMode) -> dict[str, FilesRecord]:
        """Return the files that a cascade mode needs, by the name of what they are for."""
        members = self.members_for(mode)
        names = {name for member in members for name in member.networks}
        files: dict[str, FilesRecord] = {
            network.name: network for network in self.networks if network.name in names
        }
        files |= {member.name: member.head for member in members if member.head}
        if self.parts and self.parts.network in names:
            files["parts"] = self.parts
        return files

    def version_for(self, mode: CascadeMode) -> str:
        """Return the model version for verdicts of a cascade mode."""
        return self.version if mode == "always" else f"{self.version}-{mode}"

    @cached_property
    def version(self) -> str:
        """The model version for verdicts, e.g. ``2026-11-22.1f0c9a2b``.

        It is derived from everything that affects a verdict. So a new model or rule never serves an
        old verdict, and a note about the training does not change the version.
        """
        decisive = {
            "rule": RULE,
            "networks": [network.model_dump(exclude={"parity"}) for network in self.networks],
            "members": [
                member.model_dump(exclude={"references", "training"}) for member in self.members
            ],
            "light": self.light.model_dump(),
            "stages": [stage.model_dump() for stage in self.stages],
        }
        content = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()
        return f"{self.released}.{content[:8]}"


def digest(*contents: bytes | mmap.mmap) -> str:
    """Return the SHA-256 of files that are read together, in lower-case hex."""
    hashed = hashlib.sha256()
    for content in contents:
        hashed.update(content)
    return hashed.hexdigest()


def _mapped(path: Path) -> mmap.mmap:
    """Map a file into memory. It may be written to, which changes only this process's copy.

    Raises:
        OSError: it cannot be read.
        WeightsError: it is empty.
    """
    with path.open("rb") as file:
        try:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        except ValueError as error:
            raise WeightsError(f"{path} is empty") from error


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
