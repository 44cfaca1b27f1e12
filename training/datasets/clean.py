"""Decides which files to keep. Every dropped file has a finding with the reason.

A given ``test`` split stays complete, because results on it must be comparable. Its findings are
reported, but the files are kept if they can be decoded. If copies are in several splits, the one in
``test`` is kept before the one in ``val``, and that before the one in ``train``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from models.errors import ErrorCode
from training.datasets.dataset_manifest import Row
from training.datasets.duplicates import near_pairs
from training.datasets.inspection import Inspection, Unreadable

BLANK = 2.0
"""Images with less contrast have a single colour, apart from coding noise."""

FLAT = 5.0
"""Images with less contrast show almost nothing. In the packs only blank images are below."""

BLURRED = 5.0
"""Images with less sharpness are out of focus.

Photographs blurred with a radius of 4 at 288 px are below. In the packs, one image that is not
blank is below: a clear sky. At 10 it would be eleven images, and half of them are sharp.
"""


class Reason(StrEnum):
    """The reason for dropping a file. If there are several, the first."""

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
    """A problem with one file.

    Args:
        row: the file.
        reason: the type of the problem.
        detail: one sentence.
        other: the file that this one is a copy of, if any.
        kept: whether the file is kept, because it belongs to a given ``test``.
    """

    row: Row
    reason: Reason
    detail: str
    other: Row | None = None
    kept: bool = False


def clean(inspections: Iterable[Inspection | Unreadable]) -> tuple[list[Row], list[Finding]]:
    """Check every file.

    Returns:
        The rows to keep, in order, and all findings.
    """
    findings: list[Finding] = []
    good: list[Inspection] = []
    for inspection in inspections:
        finding = _check(inspection)
        if finding:
            findings.append(finding)
        if isinstance(inspection, Inspection) and (finding is None or finding.kept):
            good.append(inspection)
    stays, copies = _check_copies(good)
    return [good[index].row for index in sorted(stays)], findings + copies


def _check(inspection: Inspection | Unreadable) -> Finding | None:
    """Check one file on its own."""
    if isinstance(inspection, Unreadable):
        return Finding(inspection.row, _UNREADABLE[inspection.code], inspection.detail)
    if inspection.row.label is None:
        return Finding(
            inspection.row, Reason.UNLABELLED, "Neither a folder nor a column states its label."
        )
    kept = inspection.row.split == "test"
    for reason, least in ((Reason.BLANK, BLANK), (Reason.FLAT, FLAT)):
        if inspection.contrast < least:
            detail = f"Its contrast is {inspection.contrast:.1f}, below {least}."
            return Finding(inspection.row, reason, detail, kept=kept)
    if inspection.sharpness < BLURRED:
        detail = f"Its sharpness is {inspection.sharpness:.1f}, below {BLURRED}."
        return Finding(inspection.row, Reason.BLURRED, detail, kept=kept)
    return None


def _check_copies(inspections: Sequence[Inspection]) -> tuple[set[int], list[Finding]]:
    """Check the files for copies. The first of each group by rank stays."""
    copies = _find_copies(inspections)
    stays: set[int] = set()
    findings: list[Finding] = []
    for index in sorted(range(len(inspections)), key=lambda index: _rank(inspections[index])):
        finding = _check_copy(index, inspections, copies, stays)
        if finding:
            findings.append(finding)
        if finding is None or finding.kept:
            stays.add(index)
    return stays, findings


@dataclass(frozen=True)
class _Copies:
    """For each file, the files with the same bytes (including itself) and the same picture."""

    same: Sequence[Sequence[int]]
    near: Sequence[Sequence[int]]


def _find_copies(inspections: Sequence[Inspection]) -> _Copies:
    by_bytes: dict[bytes, list[int]] = defaultdict(list)
    for index, inspection in enumerate(inspections):
        by_bytes[inspection.sha256].append(index)
    same = [by_bytes[inspection.sha256] for inspection in inspections]
    groups = list(by_bytes.values())
    near: dict[int, list[int]] = {group[0]: [] for group in groups}
    if groups:
        firsts = [inspections[group[0]] for group in groups]
        hashes = np.array([inspection.phash for inspection in firsts], np.uint64)
        for pair in near_pairs(hashes, np.stack([inspection.thumbnail for inspection in firsts])):
            one, other = (groups[number] for number in pair)
            near[one[0]] += other
            near[other[0]] += one
    return _Copies(same, [near[group[0]] for group in same])


def _check_copy(
    index: int, inspections: Sequence[Inspection], copies: _Copies, stays: set[int]
) -> Finding | None:
    """Check one file against its copies. ``stays`` has the files that are kept so far."""
    row = inspections[index].row
    same, near = copies.same[index], copies.near[index]
    kept = row.split == "test"
    for others, detail in (
        (same, "An identical file has the other label."),
        (near, "The same picture in another file has the other label."),
    ):
        for other in others:
            if inspections[other].row.label != row.label:
                return Finding(row, Reason.CONFLICT, detail, inspections[other].row, kept)
    for others, reason, detail in (
        (same, Reason.DUPLICATE, "An identical file exists."),
        (near, Reason.NEAR_DUPLICATE, "The same picture exists in another file."),
    ):
        for other in others:
            if other in stays:
                return Finding(row, reason, detail, inspections[other].row, kept)
    return None


def _rank(inspection: Inspection) -> tuple[int, int, str]:
    """Rank files by which copy to keep: by split, then the larger image, then the name."""
    splits = ("test", "val", "train", None)
    return splits.index(inspection.row.split), -inspection.size, str(inspection.row.path)
