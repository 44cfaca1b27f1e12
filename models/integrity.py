"""Whether the weights are there and whole: found out in full once, and cheaply from then on."""

from __future__ import annotations

from pathlib import Path

from models.manifest import WEIGHTS, Manifest, MemberRecord, digest
from settings import SecondLook

_Stamp = tuple[tuple[int, int], ...]


class WeightFiles:
    """The files of the members that judge.

    Args:
        manifest: names them.
        second_look: tells which members judge.
        directory: where they are.
    """

    def __init__(
        self, manifest: Manifest, second_look: SecondLook, directory: Path = WEIGHTS
    ) -> None:
        names = manifest.judging(second_look)
        self._records = [record for record in manifest.members if record.name in names]
        self._directory = directory
        self._whole: dict[str, _Stamp] = {}

    def damaged(self) -> list[str]:
        """Return the names of the members whose files are missing, or not what they should be.

        A file is read once; after that it counts as whole while its size and time stay the same.
        """
        return [record.name for record in self._records if not self._is_whole(record)]

    def _is_whole(self, record: MemberRecord) -> bool:
        model = self._directory / record.file
        files = (model, model.with_suffix(".bin"))
        try:
            stamp = tuple((s.st_size, s.st_mtime_ns) for s in (path.stat() for path in files))
            if self._whole.get(record.name) == stamp:
                return True
            if digest(*(path.read_bytes() for path in files)) != record.sha256:
                return False
        except OSError:
            return False
        self._whole[record.name] = stamp
        return True
