"""Checks that the weight files are present and intact."""

from __future__ import annotations

from pathlib import Path

from models.manifest import WEIGHTS, FilesRecord, Manifest, WeightsError
from settings import CascadeMode

_Stamp = list[tuple[int, int]]


class WeightFiles:
    """The files of the members in use.

    Args:
        manifest: lists the files.
        cascade_mode: decides which members are in use.
        directory: where the files are.
    """

    def __init__(
        self, manifest: Manifest, cascade_mode: CascadeMode, directory: Path = WEIGHTS
    ) -> None:
        self._files = manifest.files_for(cascade_mode)
        self._directory = directory
        self._verified: dict[str, _Stamp] = {}

    def damaged(self) -> list[str]:
        """Return the names of the networks and heads whose files are missing or damaged.

        Each file is read and hashed once. Later calls only compare its size and modification time.
        """
        return [name for name, files in self._files.items() if not self._is_intact(files)]

    def _is_intact(self, files: FilesRecord) -> bool:
        try:
            stats = [(self._directory / name).stat() for name in files.names]
            stamp = [(stat.st_size, stat.st_mtime_ns) for stat in stats]
            if self._verified.get(files.file) != stamp:
                files.read(self._directory)
        except (OSError, WeightsError):
            return False
        self._verified[files.file] = stamp
        return True
