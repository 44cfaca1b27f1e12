"""Checks that the weight files are present and intact."""

from __future__ import annotations

from pathlib import Path

from models.manifest import WEIGHTS, Manifest, MemberRecord, digest
from settings import CascadeMode

_Stamp = tuple[tuple[int, int], ...]


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
        names = manifest.used_members(cascade_mode)
        self._records = [record for record in manifest.members if record.name in names]
        self._directory = directory
        self._verified: dict[str, _Stamp] = {}

    def damaged(self) -> list[str]:
        """Return the names of the members whose files are missing or damaged.

        Each file is read and hashed once. Later calls only compare its size and modification time.
        """
        return [record.name for record in self._records if not self._is_intact(record)]

    def _is_intact(self, record: MemberRecord) -> bool:
        model = self._directory / record.file
        files = (model, model.with_suffix(".bin"))
        try:
            stamp = tuple((s.st_size, s.st_mtime_ns) for s in (path.stat() for path in files))
            if self._verified.get(record.name) == stamp:
                return True
            if digest(*(path.read_bytes() for path in files)) != record.sha256:
                return False
        except OSError:
            return False
        self._verified[record.name] = stamp
        return True
