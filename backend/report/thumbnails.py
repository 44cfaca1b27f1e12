"""Which images of a scan's report get a thumbnail."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # every command imports the constant below
    from models.verdict import CheckItem

MOST_THUMBNAILS = 500
"""Thumbnails of a report, at most. Each has about 8 KB."""
CHANGED = "the image at this address is no longer the one that was judged."


class Wanted(NamedTuple):
    """An image whose thumbnail is wanted.

    Attributes:
        row: its place among the results, from 0.
        url: its address.
        sha256: of the bytes that were judged.
    """

    row: int
    url: str
    sha256: str


def wanted(items: Iterable[CheckItem], most: int) -> list[Wanted]:
    """Return the first images that are likely AI, each at the first row that it has.

    Args:
        items: the results.
        most: how many images, at most.
    """
    found: dict[str, Wanted] = {}
    for row, item in enumerate(items):
        if len(found) == most:
            break
        if item.verdict is not None and item.verdict.label == "ai":
            sha256 = item.verdict.image.sha256
            found.setdefault(sha256, Wanted(row, item.url, sha256))
    return list(found.values())
