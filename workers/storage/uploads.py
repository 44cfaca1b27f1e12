"""Uploaded files on their way from the API to a worker. Images never pass through Redis."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from models.errors import CheckError, ErrorCode
from settings import Settings

_ABANDONED_AFTER = 3600
"""Seconds after which an upload that no worker took is deleted."""


@dataclass(frozen=True)
class Upload:
    """A complete upload. Created by `Uploads.receive`."""

    sha256: str
    """Of the bytes, in lower-case hex."""
    _partial: Path

    def keep(self, name: str | None = None) -> None:
        """Keep the bytes for a worker, under their SHA-256 if no other name is given."""
        self._partial.replace(self._partial.with_name(name or self.sha256))


class Uploads:
    """A folder of files, such as uploads, named by SHA-256. API and workers must share it.

    Args:
        folder: created if it does not exist, readable by its owner only.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextmanager
    def receive(self, pieces: Iterable[bytes]) -> Iterator[Upload]:
        """Receive an upload piece by piece; it is deleted at the end unless it was kept.

        Raises:
            OSError: the disk is full or fails.
        """
        partial = self._folder / f"{uuid.uuid4().hex}.part"
        digest = hashlib.sha256()
        try:
            with partial.open("xb") as file:
                for piece in pieces:
                    file.write(piece)
                    digest.update(piece)
            yield Upload(digest.hexdigest(), partial)
        finally:
            partial.unlink(missing_ok=True)

    def put(self, name: str, data: bytes) -> None:
        """Keep bytes under a name."""
        (self._folder / name).write_bytes(data)

    def get(self, name: str) -> bytes:
        """Return the bytes that were kept.

        Raises:
            CheckError: they are no longer here.
        """
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            raise CheckError(
                ErrorCode.INTERNAL, "The uploaded image is no longer here; please upload it again."
            ) from None

    def drop(self, name: str) -> None:
        """Delete the bytes, if they are there."""
        (self._folder / name).unlink(missing_ok=True)

    def sweep(self, abandoned_after: float = _ABANDONED_AFTER) -> None:
        """Delete files that were kept some seconds ago and never taken."""
        oldest = time.time() - abandoned_after
        for path in self._folder.iterdir():
            with suppress(FileNotFoundError):  # it was just taken
                if path.stat().st_mtime < oldest:
                    path.unlink()


def explanation_files(settings: Settings) -> Uploads:
    """Return the folder of explanations: uploaded images, and drawn pictures, by their job's id."""
    return Uploads(settings.data_dir / "explanations")
