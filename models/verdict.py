"""The verdict, and the item that carries it: what everything else speaks of."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from models.errors import CheckError


class Label(StrEnum):
    """What an image is judged to be."""

    AI = "ai"
    UNCERTAIN = "uncertain"
    REAL = "real"


class _Value(BaseModel):
    """An immutable value; unknown fields of a newer version are ignored."""

    model_config = ConfigDict(frozen=True)


class Evidence(_Value):
    """A fact found in the file itself; it informs the reader and never sets the label."""

    kind: str = Field(description="Where it was found: c2pa, iptc, generator_metadata.")
    says: Literal["ai", "real"] = Field(description="What the fact claims.")
    detail: str = Field(description="The claim in words.")
    trusted: bool = Field(description="Whether a signature that we trust vouches for it.")


class ImageFacts(_Value):
    """What was judged."""

    sha256: str = Field(description="SHA-256 of the file's bytes, in lower-case hex.")
    width: int = Field(description="Width in pixels, upright.")
    height: int = Field(description="Height in pixels, upright.")
    format: str = Field(description="jpeg, png, webp, gif, avif, bmp or tiff.")
    frames: int = Field(description="Number of frames; the first was judged.")


class Verdict(_Value):
    """The answer for one image by one version of the ensemble."""

    label: Label
    probability: float = Field(
        ge=0, le=1, description="Calibrated probability that the image is AI-made."
    )
    members: dict[str, float] = Field(description="Each member's own probability.")
    evidence: tuple[Evidence, ...] = ()
    image: ImageFacts
    model_version: str
    checked_at: datetime = Field(description="When the image was judged (UTC).")
    expires_at: datetime = Field(description="When the verdict is forgotten (UTC).")
    cached: bool = Field(default=False, description="Whether it was known before it was asked for.")


class ItemError(_Value):
    """Why a URL has no verdict."""

    code: str = Field(description="One of the public error codes.")
    detail: str = Field(description="One sentence for people.")


class CheckItem(_Value):
    """One URL of a check, lookup or scan, with what is known of it."""

    url: str = Field(description="As it was given.")
    status: Literal["done", "pending", "failed", "unknown"] = Field(
        description="`unknown` is a lookup's miss; nothing was begun."
    )
    verdict: Verdict | None = None
    error: ItemError | None = None

    @classmethod
    def failed(cls, url: str, error: CheckError) -> CheckItem:
        """Make the item of a URL that could not be judged."""
        return cls(url=url, status="failed", error=ItemError(code=error.code, detail=error.detail))
