"""How good the shipped weights are, as measured by ``training.evaluate``.

The file lies beside the weights, so every installation can show it. ``training.report`` writes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from models.manifest import WEIGHTS
from models.verdict import Label

_FILE = "quality.json"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Side(_Record):
    """What images that are AI-made, or that are not, were labelled.

    Args:
        images: their number.
        sources: the number of sources that they are from.
        counts: how many got each label.
        shares: the fraction that got each label, if every source has the same weight.
    """

    images: int
    sources: int
    counts: Mapping[Label, int]
    shares: Mapping[Label, float]


class Part(_Record):
    """The ensemble's results on some images.

    Args:
        ai: the AI-made images.
        real: the others.
        auc: the probability that an AI-made image scores higher than another one.
        decided: the fraction of images with the label ``ai`` or ``real``.
        right: the fraction of these whose label is right.
    """

    ai: Side
    real: Side
    auc: float
    decided: float
    right: float


class Bin(_Record):
    """Images with similar probabilities.

    Args:
        probability: their mean probability.
        ai: the fraction of them that is AI-made.
        images: their number.
    """

    probability: float = Field(ge=0, le=1)
    ai: float = Field(ge=0, le=1)
    images: int


class Source(_Record):
    """The labels of one source's images, all of which are AI-made, or none is."""

    name: str
    truth: Literal["ai", "real"]
    counts: Mapping[Label, int]

    @property
    def images(self) -> int:
        """The number of its images."""
        return sum(self.counts.values())


class Quality(_Record):
    """The measured quality of one version of the weights.

    Args:
        version: the model version.
        tiers: today's images, by tier. ``clean`` is the images as they are.
        kinds: the ``clean`` images, by kind: ``modern photo``, ``older art`` and so on.
        members: the AUC of each member alone, on today's ``clean`` images.
        reliability: for today's ``clean`` images, by rising probability.
        sources: of today's ``clean`` images, those with the fewest right labels first.
    """

    version: str
    tiers: Mapping[str, Part]
    kinds: Mapping[str, Part]
    members: Mapping[str, float]
    reliability: Sequence[Bin]
    sources: Sequence[Source]

    @classmethod
    def load(cls, directory: Path = WEIGHTS) -> Self | None:
        """Return the quality of the weights in a directory; None if nothing is known.

        Raises:
            pydantic.ValidationError: the file is damaged.
        """
        try:
            return cls.model_validate_json((directory / _FILE).read_bytes())
        except FileNotFoundError:
            return None

    def save(self, directory: Path) -> None:
        """Write it beside the weights."""
        (directory / _FILE).write_text(self.model_dump_json(indent=1) + "\n")
