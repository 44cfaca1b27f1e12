"""The report of the last evaluation: there in a copy of the source, not in an installed package."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parents[2] / "training" / "report"
REPORT = "report.md"


class Plot(NamedTuple):
    """A plot of the report.

    Attributes:
        file: its name.
        title: what it is.
        meaning: how to read it.
    """

    file: str
    title: str
    meaning: str


PLOTS = (
    Plot(
        "confusion.png",
        "Confusion matrices",
        "How often AI-made images (upper rows) and other images (lower rows) get each label.",
    ),
    Plot(
        "confidence.png",
        "Reliability",
        "How often images with a given probability are AI-made. On the diagonal, the probability "
        "is right. Beside it: how many decisions are right if only the surest are made.",
    ),
    Plot(
        "sources.png",
        "Sources",
        "Every dot is an image, every line a source of images that was not used for training.",
    ),
)


def plots() -> list[Plot]:
    """Return the plots that are there."""
    return [plot for plot in PLOTS if (FOLDER / plot.file).is_file()]


def file(name: str) -> Path | None:
    """Return the path of the report or of a plot; None if it is not there."""
    known = {REPORT, *(plot.file for plot in PLOTS)}
    path = FOLDER / name
    return path if name in known and path.is_file() else None
