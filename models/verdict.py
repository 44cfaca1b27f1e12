"""The verdict of one image, and the item of a check that carries it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, computed_field

from models.errors import CheckError


class Label(StrEnum):
    """The label of a verdict."""

    AI = "ai"
    UNCERTAIN = "uncertain"
    REAL = "real"


Lean = Literal["ai", "none", "real"]

Origin = Literal["captured", "created", "edited_with_ai", "composite_with_ai", "generated"]
"""How an image came into being. ``created``: by people or programs, without generative models."""

DecidedBy = Literal["pixels", "credentials", "marks"]
"""What set the label: the pixels, trusted Content Credentials, or a generator's unsigned marks."""

LEANS = 0.6
"""From this probability of AI, or of the opposite, an uncertain verdict leans one way."""


class _Value(BaseModel):
    """An immutable value. Unknown fields of a newer version are ignored."""

    model_config = ConfigDict(frozen=True)


class Evidence(_Value):
    """A fact found in the file itself. `models.ensemble.combine` says when it decides the label.

    The names of signers, generators and times come from signatures of trusted signers. A generator
    may also be that of an unsigned mark.
    """

    kind: str = Field(description="Its type: c2pa, iptc or generator_metadata.")
    says: Literal["ai", "real"] = Field(description="What the fact claims.")
    detail: str = Field(description="The claim in words.")
    trusted: bool = Field(description="Whether it is signed by a trusted signer.")
    origin: Origin | None = Field(
        default=None,
        description="How the whole image came into being, by its Content Credentials. An unknown "
        "value of a newer version says nothing.",
    )
    signer: str | None = Field(default=None, description="The trusted signer's name.")
    generator: str | None = Field(default=None, description="The program that made the image.")
    signed_at: datetime | None = Field(default=None, description="When it was signed (UTC).")


class ImageFacts(_Value):
    """The classified image."""

    sha256: str = Field(description="SHA-256 of the file's bytes, in lower-case hex.")
    width: int = Field(description="Width in pixels, upright.")
    height: int = Field(description="Height in pixels, upright.")
    format: str = Field(description="jpeg, png, webp, gif, avif, bmp or tiff.")
    frames: int = Field(description="Number of frames. The first was classified.")
    perceptual_hash: str | None = Field(
        default=None,
        description="64-bit pHash in lower-case hex. None if the image is almost of one colour.",
    )


class SimilarImage(_Value):
    """An earlier image that looks like the classified one, for example another size of it."""

    sha256: str = Field(description="SHA-256 of its file's bytes, in lower-case hex.")
    distance: int = Field(ge=0, le=64, description="How many bits of the perceptual hashes differ.")
    label: Label = Field(description="Its own label.")
    probability: float = Field(ge=0, le=1, description="Its own probability of being AI-made.")
    checked_at: datetime = Field(description="When it was classified (UTC).")


class Verdict(_Value):
    """The verdict on one image by one model version."""

    label: Label
    probability: float = Field(
        ge=0,
        le=1,
        description="Calibrated probability that the image is AI-made, by its pixels alone.",
    )
    decided_by: DecidedBy = Field(
        default="pixels",
        description="What set the label: `pixels`, `credentials` (a trusted signer's statement) or "
        "`marks` (a generator's unsigned marks, which the pixels do not contradict).",
    )
    pixels: Label | None = Field(
        default=None, description="The label by the pixels alone, if it is another one."
    )
    members: dict[str, float] = Field(description="Each member's own calibrated probability.")
    evidence: tuple[Evidence, ...] = ()
    similar: tuple[SimilarImage, ...] = Field(
        default=(),
        description="Up to 3 earlier images that look like this one, when it was classified. Their"
        " verdicts inform the reader and do not change this one.",
    )
    image: ImageFacts
    model_version: str
    checked_at: datetime = Field(description="When the image was classified (UTC).")
    expires_at: datetime = Field(description="When the verdict expires (UTC).")
    cached: bool = Field(default=False, description="Whether the verdict came from the cache.")

    @computed_field(  # type: ignore[prop-decorator]
        description="The likelier answer if the label is uncertain, or none. Else the label."
    )
    @property
    def lean(self) -> Lean:
        """The likelier answer, if one is likelier."""
        if self.label is Label.UNCERTAIN:
            if self.probability >= LEANS:
                return "ai"
            return "real" if self.probability <= 1 - LEANS else "none"
        return "ai" if self.label is Label.AI else "real"


class ItemError(_Value):
    """The reason why a URL has no verdict."""

    code: str = Field(description="One of the public error codes.")
    detail: str = Field(description="One sentence for people.")


class CheckItem(_Value):
    """One URL of a check, lookup or scan, with its status and result."""

    url: str = Field(description="As in the request.")
    status: Literal["done", "pending", "failed", "unknown"] = Field(
        description="`unknown`: a lookup found nothing in the cache. No check was started."
    )
    verdict: Verdict | None = None
    error: ItemError | None = None

    @classmethod
    def failed(cls, url: str, error: CheckError) -> CheckItem:
        """Make the item for a URL without a verdict."""
        return cls(url=url, status="failed", error=ItemError(code=error.code, detail=error.detail))
