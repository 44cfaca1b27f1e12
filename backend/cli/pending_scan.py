"""The scan of the API that an output file waits for, remembered in a small file beside it."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

from backend.cli.results_file import replace_file

SUFFIX = ".scan"
"""What the file's name has after that of the output."""


class _Record(TypedDict):
    seed: str
    force: bool
    scan_id: str | None
    key: str | None


class PendingScan:
    """Remembers the scan, so that a command that was killed neither checks nor pays twice.

    The seed of the idempotency key is written before the scan is created, its id and the key after
    that. If the command is killed in between, the next run sends the same URLs with the same key.

    Args:
        output: the output file. None: forget the scan when this process ends.
    """

    def __init__(self, output: Path | None = None) -> None:
        self._path = output and output.with_name(f"{output.name}{SUFFIX}")
        self._record = self._read()

    def scan_id(self, *, force: bool | None = None) -> str | None:
        """Return the id of the scan, if there is one, and if it has this `force`."""
        if self._record is None or force not in (None, self._record["force"]):
            return None
        return self._record["scan_id"]

    def key(self, urls: Sequence[str], *, force: bool) -> str:
        """Return the idempotency key for a scan of these URLs."""
        if self._record is None or self._record["force"] != force:
            self._write({"seed": uuid.uuid4().hex, "force": force, "scan_id": None, "key": None})
        assert self._record is not None  # noqa: S101
        return _key(self._record["seed"], urls)

    def is_of(self, urls: Sequence[str]) -> bool:
        """Return whether the scan was created, and for these URLs."""
        return self._record is not None and self._record["key"] == _key(self._record["seed"], urls)

    def remember(self, scan_id: str, key: str) -> None:
        """Note that the scan was created with this idempotency key."""
        if self._record is not None:
            self._write({**self._record, "scan_id": scan_id, "key": key})

    def forget(self) -> None:
        """Note that all results of the scan are written."""
        self._record = None
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _read(self) -> _Record | None:
        if self._path is None:
            return None
        try:
            found = json.loads(self._path.read_bytes())
            return _Record(
                seed=str(found["seed"]),
                force=bool(found["force"]),
                scan_id=found["scan_id"],
                key=found.get("key"),
            )
        except (OSError, ValueError, LookupError, TypeError):
            return None

    def _write(self, record: _Record) -> None:
        self._record = record
        if self._path is not None:
            replace_file(self._path, [json.dumps(record).encode()])


def _key(seed: str, urls: Sequence[str]) -> str:
    return hashlib.sha256("\n".join([seed, *urls]).encode()).hexdigest()
