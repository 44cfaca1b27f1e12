"""Metadata of the original files, for evaluation only.

It correlates with the label, so no model may use it. That is why it is not in ``packs.Example``.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from training.datasets.packs import PACKS, Split


@dataclass(frozen=True)
class Original:
    """An original file.

    Args:
        width: in pixels.
        height: in pixels.
        format: Pillow's name, e.g. ``JPEG``.
    """

    width: int
    height: int
    format: str


def read(split: Split, data: Path) -> dict[tuple[str, str], Original]:
    """Read the originals of a split from the CSVs, by pack and name."""
    known = {}
    for pack in PACKS:
        with (data / f"{pack}.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                if row["split"] == split:
                    known[pack, row["name"]] = Original(
                        int(row["original_width"]),
                        int(row["original_height"]),
                        row["original_format"],
                    )
    return known
