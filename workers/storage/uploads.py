"""Uploaded files on their way from the API to a worker. Images never pass through Redis."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from models.errors import CheckError, ErrorCode

_ABANDONED_AFTER = 3600
"""Seconds after which an upload that no worker took is deleted."""


@dataclass(frozen=True)
class Upload:
    """A complete upload. Created by `Uploads.receive`."""

    sha256: str
    """Of the bytes, in lower-case hex."""
    _partial: Path

    def keep(self) -> None:
        """Keep the bytes for a worker."""
        self._partial.replace(self._partial.with_name(self.sha256))


class Uploads:
    """A folder of uploads, each named by its SHA-256. API and workers must share it.

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

    def get(self, sha256: str) -> bytes:
        """Return the bytes that were kept.

        Raises:
            CheckError: they are no longer here.
        """
        try:
            return (self._folder / sha256).read_bytes()
        except FileNotFoundError:
            raise CheckError(
                ErrorCode.INTERNAL, "The uploaded image is no longer here; please upload it again."
            ) from None

    def drop(self, sha256: str) -> None:
        """Delete the bytes, if they are there."""
        (self._folder / sha256).unlink(missing_ok=True)

    def sweep(self) -> None:
        """Delete uploads that were kept long ago and never taken."""
        oldest = time.time() - _ABANDONED_AFTER
        for path in self._folder.iterdir():
            if path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)
