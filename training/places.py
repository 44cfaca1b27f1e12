"""Where training reads and writes; the options that every command shares."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Places:
    """The folders of a training.

    Args:
        data: holds the CSVs and tars of the packs; or a manifest of one's own. Read only.
        runs: takes the decoded pixels, checkpoints and logs; may be deleted.
    """

    data: Path
    runs: Path

    @classmethod
    def of(cls, arguments: Namespace) -> Places:
        """Take them from the options."""
        return cls(arguments.data, arguments.runs)

    @property
    def cache(self) -> Path:
        """Where decoded pixels are kept."""
        return self.runs / "cache"

    def run(self, member: str) -> Path:
        """Where one member's training keeps its state."""
        return self.runs / member


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options for them."""
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("../shared/data"),
        help="folder of the packs, or a manifest",
    )
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder for what is made")
