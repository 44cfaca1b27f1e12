"""Checkpoints in small files: trainable weights and optimizer state.

Frozen weights are not saved. No file exceeds ``LARGEST``, so a checkpoint is easy to copy.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

LARGEST = 15_000_000
"""Bytes of arrays per file. A larger array has its own file."""


class Checkpoint:
    """The last checkpoint of a run.

    Args:
        run: the run's folder.
        model: compiled, with a built optimizer.
    """

    def __init__(self, run: Path, model: keras.Model) -> None:
        self._run, self._model = run, model

    def save(self, step: int) -> None:
        """Write to a temporary folder, then rename it. A killed run keeps the last checkpoint."""
        unfinished = self._run / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        values = [each.numpy() for each in self._variables()]
        for number, part in enumerate(_parts(values)):
            file = unfinished / f"part-{number:03}.npz"
            np.savez(file, **part)  # type: ignore[arg-type]  # Its stub forgets the names.
        done = self._run / f"step-{step:07}"
        shutil.rmtree(done, ignore_errors=True)
        unfinished.rename(done)
        for old in self._run.glob("step-*"):
            if old != done:
                shutil.rmtree(old)

    def restore(self) -> int:
        """Restore the last checkpoint. Return the number of completed steps.

        Raises:
            ValueError: the checkpoint belongs to another model, or a file is missing.
        """
        done = sorted(self._run.glob("step-*"))
        if not done:
            return 0
        arrays: dict[str, NDArray[Any]] = {}
        for file in done[-1].glob("part-*.npz"):
            with np.load(file) as part:
                arrays |= {name: part[name] for name in part.files}
        variables = self._variables()
        if arrays.keys() != {_name(at) for at in range(len(variables))}:
            raise ValueError(f"{done[-1]} is not a complete checkpoint of this model")
        for at, variable in enumerate(variables):
            variable.assign(arrays[_name(at)])
        return int(done[-1].name.removeprefix("step-"))

    def _variables(self) -> list[keras.Variable]:
        return [*self._model.trainable_variables, *self._model.optimizer.variables]


def _name(at: int) -> str:
    return f"v{at:05}"


def _parts(values: list[NDArray[Any]]) -> list[dict[str, NDArray[Any]]]:
    """Distribute the arrays over files."""
    parts: list[dict[str, NDArray[Any]]] = [{}]
    size = 0
    for at, value in enumerate(values):
        if parts[-1] and size + value.nbytes > LARGEST:
            parts.append({})
            size = 0
        parts[-1][_name(at)] = value
        size += value.nbytes
    return parts
