"""A small disk that only a test's own processes see: a tmpfs in a mount namespace."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

_MOUNT = 'mount -t tmpfs -o size="$1"M,mode=700 small "$2" && echo mounted && exec cat'


@dataclass
class SmallDisk:
    """A disk at a folder, for the processes that `prefix` starts.

    Attributes:
        folder: where those processes find it.
        prefix: a command that runs the command given to it with that disk.
    """

    folder: Path
    prefix: list[str]
    _from_here: Path

    def fill(self) -> None:
        """Take all the space that is left."""
        with (self._from_here / "filler").open("ab", buffering=0) as filler, suppress(OSError):
            while True:
                filler.write(bytes(2**16))
        with (self._from_here / "filler").open("ab", buffering=0) as filler, suppress(OSError):
            while True:
                filler.write(b"0")

    def clear(self) -> None:
        """Give the space back."""
        (self._from_here / "filler").unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path, megabytes: int = 64) -> Iterator[SmallDisk]:
    """Mount a disk; skips the test where a user may make no namespaces."""
    folder.mkdir(parents=True, exist_ok=True)
    holder = subprocess.Popen(
        [
            *("unshare", "--user", "--map-root-user", "--mount", "--"),
            *("sh", "-c", _MOUNT, "sh", str(megabytes), str(folder)),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None
        assert holder.stderr is not None
        if holder.stdout.readline() != b"mounted\n":
            pytest.skip(f"no mount namespace here: {holder.stderr.read().decode().strip()}")
        prefix = ["nsenter", f"--target={holder.pid}", "--user", "--preserve-credentials"]
        prefix += ["--mount", f"--wd={os.getcwd()}", "--"]  # noqa: PTH109
        yield SmallDisk(folder, prefix, Path(f"/proc/{holder.pid}/root{folder}"))
    finally:
        holder.kill()
        holder.communicate()
