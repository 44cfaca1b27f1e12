"""Says of each file whether it is kept, and if not, why. Nothing is dropped without a finding.

The ``test`` that a dataset comes with stays whole, for its figures would not compare with anybody's
otherwise: what is found there is said and kept, unless there is no image to keep. When copies span
splits, ``train`` loses against ``val``, and both against ``test``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from models.errors import ErrorCode
from training.datasets.duplicates import near_pairs
from training.datasets.look import Look, Unreadable
from training.datasets.manifest import Row

BLANK = 2.0
"""Contrast below which an image is one colour, give or take the noise of its encoding."""

FLAT = 5.0
"""Contrast below which there is next to nothing to see: in the packs only blanks are below."""

BLURRED = 5.0
"""Sharpness below which an image is out of focus.

Photographs blurred with a radius of 4 at 288 px come below it. In the packs one image does that is
not blank, a clear sky; at 10 it would be eleven, half of them sharp.
"""


class Reason(StrEnum):
    """Why a file is set aside; of several, the first."""

    UNLABELLED = "unlabelled"
    NOT_AN_IMAGE = "not_an_image"
    UNSUPPORTED = "unsupported_format"
    CORRUPT = "corrupt"
    TOO_LARGE = "too_large"
    TINY = "tiny"
    BLANK = "blank"
    FLAT = "flat"
    BLURRED = "blurred"
    CONFLICT = "conflict"
    DUPLICATE = "duplicate"
    NEAR_DUPLICATE = "near_duplicate"


_UNREADABLE = {
    ErrorCode.NOT_AN_IMAGE: Reason.NOT_AN_IMAGE,
    ErrorCode.UNSUPPORTED_FORMAT: Reason.UNSUPPORTED,
    ErrorCode.CORRUPT_IMAGE: Reason.CORRUPT,
    ErrorCode.TOO_MANY_PIXELS: Reason.TOO_LARGE,
    ErrorCode.TOO_SMALL: Reason.TINY,
}


@dataclass(frozen=True)
class Finding:
    """What is wrong with one file.

    Args:
        row: what is said of the file.
        reason: of a closed list.
        detail: one sentence.
        other: the row of the file that this one is a copy of, if it is one.
        kept: whether it is kept all the same, because it belongs to a given ``test``.
    """

    row: Row
    reason: Reason
    detail: str
    other: Row | None = None
    kept: bool = False


def clean(looks: Iterable[Look | Unreadable]) -> tuple[list[Row], list[Finding]]:
    """Judge every file.

    Returns:
        The rows that are kept, in order, and every finding.
    """
    findings: list[Finding] = []
    good: list[Look] = []
    for look in looks:
        finding = _judge(look)
        if finding:
            findings.append(finding)
        if isinstance(look, Look) and (finding is None or finding.kept):
            good.append(look)
    stays, copies = _judge_copies(good)
    return [good[index].row for index in sorted(stays)], findings + copies


def _judge(look: Look | Unreadable) -> Finding | None:
    """Judge one file for itself."""
    if isinstance(look, Unreadable):
        return Finding(look.row, _UNREADABLE[look.code], look.detail)
    if look.row.label is None:
        return Finding(
            look.row, Reason.UNLABELLED, "Neither a folder nor a column tells its label."
        )
    kept = look.row.split == "test"
    for reason, least in ((Reason.BLANK, BLANK), (Reason.FLAT, FLAT)):
        if look.contrast < least:
            detail = f"Its contrast is {look.contrast:.1f}, below {least}."
            return Finding(look.row, reason, detail, kept=kept)
    if look.sharpness < BLURRED:
        detail = f"Its sharpness is {look.sharpness:.1f}, below {BLURRED}."
        return Finding(look.row, Reason.BLURRED, detail, kept=kept)
    return None


def _judge_copies(looks: Sequence[Look]) -> tuple[set[int], list[Finding]]:
    """Judge the files against each other: those that come first stay, their copies go."""
    copies = _find_copies(looks)
    stays: set[int] = set()
    findings: list[Finding] = []
    for index in sorted(range(len(looks)), key=lambda index: _rank(looks[index])):
        finding = _judge_copy(index, looks, copies, stays)
        if finding:
            findings.append(finding)
        if finding is None or finding.kept:
            stays.add(index)
    return stays, findings


@dataclass(frozen=True)
class _Copies:
    """Of each file, those of the same bytes (with itself), and those that look the same."""

    same: Sequence[Sequence[int]]
    near: Sequence[Sequence[int]]


def _find_copies(looks: Sequence[Look]) -> _Copies:
    by_bytes: dict[bytes, list[int]] = defaultdict(list)
    for index, look in enumerate(looks):
        by_bytes[look.sha256].append(index)
    same = [by_bytes[look.sha256] for look in looks]
    groups = list(by_bytes.values())
    near: dict[int, list[int]] = {group[0]: [] for group in groups}
    if groups:
        firsts = [looks[group[0]] for group in groups]
        hashes = np.array([look.phash for look in firsts], np.uint64)
        for pair in near_pairs(hashes, np.stack([look.thumbnail for look in firsts])):
            one, other = (groups[number] for number in pair)
            near[one[0]] += other
            near[other[0]] += one
    return _Copies(same, [near[group[0]] for group in same])


def _judge_copy(
    index: int, looks: Sequence[Look], copies: _Copies, stays: set[int]
) -> Finding | None:
    """Judge one file against its copies; of those that come before it, some stay already."""
    row = looks[index].row
    same, near = copies.same[index], copies.near[index]
    kept = row.split == "test"
    for others, detail in (
        (same, "Byte for byte the same file has the other label; nobody knows which is right."),
        (near, "The same picture in another file has the other label."),
    ):
        for other in others:
            if looks[other].row.label != row.label:
                return Finding(row, Reason.CONFLICT, detail, looks[other].row, kept)
    for others, reason, detail in (
        (same, Reason.DUPLICATE, "Byte for byte the same file."),
        (near, Reason.NEAR_DUPLICATE, "The same picture in another file."),
    ):
        for other in others:
            if other in stays:
                return Finding(row, reason, detail, looks[other].row, kept)
    return None


def _rank(look: Look) -> tuple[int, int, str]:
    """Order files by who stays: the later split, the larger image, the first name."""
    splits = ("test", "val", "train", None)
    return splits.index(look.row.split), -look.size, str(look.row.path)
