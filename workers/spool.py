"""Uploaded bytes on their way from the API to a worker: files, for images never pass Redis."""

from __future__ import annotations

import os
import time
from pathlib import Path

from models.errors import CheckError, ErrorCode

_ABANDONED_AFTER = 3600
"""Seconds after which an upload that no worker took is deleted."""


class Spool:
    """A folder of uploads, each named by its SHA-256; API and workers must share it.

    Args:
        folder: made if it is not there, readable by its owner only.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def put(self, sha256: str, data: bytes) -> None:
        """Keep the bytes, whose hash this is, for a worker.

        Raises:
            OSError: the disk is full or fails.
        """
        partial = self._folder / f"{sha256}.{os.getpid()}.{time.monotonic_ns()}.part"
        try:
            partial.write_bytes(data)
            partial.replace(self._folder / sha256)  # whole or not at all
        except OSError:
            partial.unlink(missing_ok=True)
            raise

    def get(self, sha256: str) -> bytes:
        """Return the bytes that were put.

        Raises:
            CheckError: they are not here (any more).
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
        """Delete what was put long ago and never taken."""
        oldest = time.time() - _ABANDONED_AFTER
        for path in self._folder.iterdir():
            if path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)
