"""The kind of each modern source, and the kinds that are held out together.

``kinds.csv`` assigns one kind to each source of ``train`` and ``val``. The assignment is based on
the source's name, its generators and the evidence for its labels, not on the images.

- ``gallery``: galleries, prompt lists and examples of a generator
- ``builder``: images that a script, a site builder or an assistant made for a site or a shop
- ``quiz``: quizzes for people (AI or real?) and test sets, with both labels
- ``portfolio``: photographers' and travellers' own photographs, and wallpapers
- ``stock``: stock photographs in templates, courses and demonstrations
- ``plain``: data sets, and photographs by shops, clubs, schools and landlords
- ``art``: drawings, paintings, renders and illustrations, by people or by AI
- ``game``: pictures of games, cards and comics, by people or by AI
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.datasets import packs
from training.datasets.dataset_errors import LayoutError

FILE = Path(__file__).parent / "kinds.csv"

HELD_OUT: dict[str, tuple[str, ...]] = {
    "galleries against portfolios": ("gallery", "portfolio"),
    "sites against stock and plain": ("builder", "stock", "plain"),
    "quizzes": ("quiz",),
    "art": ("art",),
    "games": ("game",),
}
"""Groups of kinds that are held out together. Each group has AI and real images.

Every kind is in one group.
"""


def read(path: Path = FILE) -> dict[str, str]:
    """Read the kind of each source."""
    with path.open(newline="") as file:
        return {row["source"]: row["kind"] for row in csv.DictReader(file)}


def held_out(
    examples: Sequence[packs.Example], kinds: Mapping[str, str] | None = None
) -> NDArray[np.str_]:
    """Return each example's group: a key of ``HELD_OUT``, or "" for older images.

    Args:
        examples: of any pack. Only modern examples have a kind.
        kinds: the kind of each source. None: those of ``kinds.csv``.

    Raises:
        LayoutError: a modern source has no kind.
    """
    kinds = read() if kinds is None else kinds
    names = {kind: name for name, group in HELD_OUT.items() for kind in group}
    modern = {example.source for example in examples if example.pack == "modern"}
    unknown = sorted(modern - kinds.keys())
    if unknown:
        raise LayoutError(f"{len(unknown)} sources have no kind in {FILE.name}, e.g. {unknown[0]}.")
    return np.array(
        [names[kinds[each.source]] if each.pack == "modern" else "" for each in examples]
    )
