"""The folders of a training, and the command-line options for them."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Paths:
    """The folders of a training.

    Args:
        data: holds the CSVs and tars of the packs, or is a manifest of other images. Read only.
        runs: for decoded pixels, checkpoints and logs. It may be deleted.
    """

    data: Path
    runs: Path

    @classmethod
    def of(cls, arguments: Namespace) -> Paths:
        """Read them from the parsed options."""
        return cls(arguments.data, arguments.runs)

    @property
    def cache(self) -> Path:
        """The folder for decoded pixels."""
        return self.runs / "cache"

    def run(self, member: str) -> Path:
        """Return the folder of one member's training run."""
        return self.runs / member


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options for the folders."""
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("../shared/data"),
        help="folder of the packs, or a manifest",
    )
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder for outputs")
