"""The loaded networks and heads, and the members' logits for one image."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.manifest import (
    FilesRecord,
    Manifest,
    MemberRecord,
    NetworkRecord,
    PartsRecord,
    WeightsError,
)
from models.members import MEMBERS, NETWORKS
from models.runtime import THREADS, Runtime
from models.views import Pixels, View

Floats = NDArray[np.float32]


class Runs(Protocol):
    """What runs a network. Tests substitute it."""

    def run(self, given: Pixels | Floats) -> list[Floats]:
        """Return the features (views, n), and tokens (views, tokens, width) if there are any."""


@dataclass(frozen=True)
class Head:
    """A linear layer that turns features into a logit.

    Args:
        weights: shape (features,).
        intercept: the bias.
    """

    weights: Floats
    intercept: float

    def __call__(self, features: Floats) -> Floats:
        """Return the logits of features of shape (rows, features)."""
        logits: Floats = features @ self.weights + self.intercept
        return logits

    def to_bytes(self) -> bytes:
        """Return the content of its file: a NumPy array of the weights, then the intercept."""
        file = io.BytesIO()
        np.save(file, np.append(self.weights, self.intercept).astype(np.float32))
        return file.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Head:
        """Read a head's file.

        Raises:
            ValueError: it is not an array of one dimension.
        """
        try:
            values = np.load(io.BytesIO(content), allow_pickle=False)
        except EOFError as error:
            raise ValueError("the bytes are no array") from error
        if values.ndim != 1 or values.dtype != np.float32:
            raise ValueError("the bytes are not a head")
        return cls(values[:-1], float(values[-1]))


PLAIN = Head(np.ones(1, np.float32), 0.0)
"""The head of a member whose last network ends in the logit."""


@dataclass(frozen=True)
class LoadedNetwork:
    """A network that is ready to run.

    Args:
        input: its view, or the name of the network whose tokens it takes.
        runtime: runs it.
    """

    input: View | str
    runtime: Runs


@dataclass(frozen=True)
class LoadedMember:
    """A member that is ready to run: the names of its networks, and its head."""

    networks: tuple[str, ...]
    head: Head


@dataclass(frozen=True)
class Loaded:
    """Networks and members, by name. Do not share them between threads.

    Args:
        networks: by name.
        members: by name.
        parts: the network whose tokens the map of parts is made of, and the head that reads them.
            None: there is no such head, or its network is not loaded.
    """

    networks: Mapping[str, LoadedNetwork]
    members: Mapping[str, LoadedMember]
    parts: LoadedMember | None = None


class Inference:
    """One image. Each view is cut once, and each network runs once.

    Args:
        image: from ``models.views.prepare``.
        loaded: the networks and members.
    """

    def __init__(self, image: Image.Image, loaded: Loaded) -> None:
        self._image = image
        self._loaded = loaded
        self._views: dict[View, Pixels] = {}
        self._outputs: dict[str, list[Floats]] = {}

    def logit(self, name: str) -> float:
        """Return a member's mean logit over its views. A positive logit speaks for AI."""
        member = self._loaded.members[name]
        return float(np.mean(member.head(self.features(member.networks))))

    def features(self, networks: Sequence[str]) -> Floats:
        """Return the features of some networks side by side, shape (views, features)."""
        return np.concatenate([self._run(network)[0] for network in networks], axis=1)

    def tokens(self, name: str) -> Floats:
        """Return a network's tokens, shape (tokens, width)."""
        tokens: Floats = self._run(name)[1][0]
        return tokens

    def _run(self, name: str) -> list[Floats]:
        if name not in self._outputs:
            network = self._loaded.networks[name]
            self._outputs[name] = network.runtime.run(self._input(network.input))
        return self._outputs[name]

    def _input(self, source: View | str) -> Pixels | Floats:
        if isinstance(source, str):
            return self._run(source)[1]
        if source not in self._views:
            self._views[source] = source.serve(self._image)
        return self._views[source]


def load(
    directory: Path, manifest: Manifest, members: Iterable[MemberRecord], threads: int = THREADS
) -> Loaded:
    """Load members with their networks and heads, and verify the digests.

    Args:
        directory: holds the files that the manifest names.
        manifest: lists the networks.
        members: the records of the members.
        threads: number of threads for one inference.

    Raises:
        WeightsError: a file is missing, damaged, or made for other code.
    """
    members = list(members)
    used = {name for member in members for name in member.networks}
    return Loaded(
        {
            record.name: _network(directory, record, threads)
            for record in manifest.networks
            if record.name in used
        },
        {member.name: _member(directory, member) for member in members},
        _parts(directory, manifest.parts)
        if manifest.parts and manifest.parts.network in used
        else None,
    )


def _network(directory: Path, record: NetworkRecord, threads: int) -> LoadedNetwork:
    network = NETWORKS.get(record.name)
    if network is None:
        raise WeightsError(f"the manifest lists an unknown network: {record.name}")
    if record.input != network.takes:
        raise WeightsError(
            f"{record.name} was made for {record.input}, but its input here is {network.takes}"
        )
    model, weights = record.read(directory)
    runtime = Runtime(model, weights, threads=threads)
    if not isinstance(network.input, str) and runtime.shape != network.input.shape:
        raise WeightsError(
            f"{record.file} expects {runtime.shape}, but its view is {network.input.shape}"
        )
    return LoadedNetwork(network.input, runtime)


def _member(directory: Path, record: MemberRecord) -> LoadedMember:
    member = MEMBERS.get(record.name)
    if member is None or member.networks != record.networks:
        raise WeightsError(f"the manifest lists an unknown member: {record.name}")
    return LoadedMember(record.networks, _head(directory, record.head) if record.head else PLAIN)


def _parts(directory: Path, record: PartsRecord) -> LoadedMember:
    return LoadedMember((record.network,), _head(directory, record))


def _head(directory: Path, record: FilesRecord) -> Head:
    (content,) = record.read(directory)
    try:
        return Head.from_bytes(bytes(content))
    except ValueError as error:
        raise WeightsError(f"{record.file} is not a head: {error}") from error
