"""What the originals were, for evaluation only: it gives labels away, so no model may ever see it.

That is why it is not in ``packs.Example``.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from training.datasets.packs import PACKS, Split


@dataclass(frozen=True)
class Facts:
    """An original file.

    Args:
        width: in pixels.
        height: in pixels.
        format: Pillow's name of it, e.g. ``JPEG``.
    """

    width: int
    height: int
    format: str


def read(split: Split, data: Path) -> dict[tuple[str, str], Facts]:
    """Read what the CSVs say of the originals of a split, by pack and name."""
    known = {}
    for pack in PACKS:
        with (data / f"{pack}.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                if row["split"] == split:
                    known[pack, row["name"]] = Facts(
                        int(row["original_width"]),
                        int(row["original_height"]),
                        row["original_format"],
                    )
    return known
