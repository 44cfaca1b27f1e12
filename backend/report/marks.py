"""The marks of an image: what its file says about its own origin, kind by kind, found or not.

Article 50 of the EU AI Act (Regulation (EU) 2024/1689) has providers of generative AI mark their
images in a machine-readable way. The three kinds are those that `models.evidence` reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from backend.web.words import WORDS
from models.verdict import Evidence

KINDS: tuple[str, ...] = tuple(WORDS["evidence"])
"""``c2pa``, ``iptc`` and ``generator_metadata``."""


class Mark(NamedTuple):
    """What a file says by one kind of mark.

    Attributes:
        kind: one of `KINDS`.
        says: what it claims. None if the file has no such claim.
        trusted: whether a trusted signer signed the claim.
        by: the signer if it is trusted, or the generator that is named.
    """

    kind: str
    says: Literal["ai", "real"] | None = None
    trusted: bool = False
    by: str | None = None

    @property
    def words(self) -> str:
        """The claim in a few words."""
        if self.says is None:
            return "none found"
        claim = "says AI" if self.says == "ai" else "says not AI"
        if self.trusted:
            return f"{claim}, signed by {self.by or 'a trusted signer'}"
        if self.kind == "c2pa":
            return f"{claim}, unknown signer"
        return f"{claim} ({self.by})" if self.by else claim


def marks_of(evidence: Sequence[Evidence]) -> list[Mark]:
    """Return a mark for each kind. Of several claims of a kind, a trusted one and "AI" go first."""
    return [_mark(kind, [fact for fact in evidence if fact.kind == kind]) for kind in KINDS]


def says_ai(evidence: Sequence[Evidence]) -> bool:
    """Return whether any mark says that the image is AI-made, or edited with AI."""
    return any(fact.says == "ai" for fact in evidence)


def _mark(kind: str, facts: Sequence[Evidence]) -> Mark:
    if not facts:
        return Mark(kind)
    fact = min(facts, key=lambda each: (not each.trusted, each.says != "ai"))
    return Mark(kind, fact.says, fact.trusted, fact.signer if fact.trusted else fact.generator)
