"""Writes the results of the cleaning: a CSV for programs, and a Markdown page for people."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from training.datasets.clean import Finding, Reason
from training.datasets.dataset_manifest import Row
from training.datasets.splits import FRACTIONS


def write_findings(path: Path, findings: Sequence[Finding]) -> None:
    """Write one line per finding, with absolute paths."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "label", "split", "source", "reason", "kept", "other", "detail"))
        for finding in findings:
            row, other = finding.row, finding.other.path.resolve() if finding.other else ""
            facts = (row.path.resolve(), row.label or "", row.split or "", row.source)
            kept = "yes" if finding.kept else "no"
            writer.writerow((*facts, finding.reason, kept, other, finding.detail))


def page(files: int, kept: Sequence[Row], findings: Sequence[Finding]) -> str:
    """Return the page, in Markdown.

    Args:
        files: number of inspected files.
        kept: rows of the manifest. All have a label and a split.
        findings: all findings.
    """
    aside = sum(not finding.kept for finding in findings)
    return "\n".join(
        (
            "# Cleaning report\n",
            f"{files:,} files: {len(kept):,} kept, {aside:,} removed. `findings.csv` lists each"
            " file with the reason.\n",
            _reasons(findings),
            _splits(kept),
            *_warnings(kept, findings),
        )
    )


def _reasons(findings: Sequence[Finding]) -> str:
    counts = Counter(
        (finding.reason, "noted" if finding.kept else finding.row.label or "none")
        for finding in findings
    )
    lines = [
        "| removed | ai | real | no label | kept in the given test |",
        "|---|---|---|---|---|",
    ]
    for reason in Reason:
        numbers = [counts[reason, column] for column in ("ai", "real", "none", "noted")]
        if any(numbers):
            lines.append(f"| {reason} | " + " | ".join(f"{number:,}" for number in numbers) + " |")
    return "\n".join(lines) + "\n"


def _splits(kept: Sequence[Row]) -> str:
    images = Counter((row.split, row.label) for row in kept)
    sources: dict[tuple[str | None, str | None], set[str]] = defaultdict(set)
    for row in kept:
        sources[row.split, row.label].add(row.source)
    lines = ["| kept | ai | sources | real | sources |", "|---|---|---|---|---|"]
    for split in FRACTIONS:
        cells = []
        for label in ("ai", "real"):
            cells += [images[split, label], len(sources[split, label])]
        lines.append(f"| {split} | " + " | ".join(f"{cell:,}" for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _warnings(kept: Sequence[Row], findings: Sequence[Finding]) -> list[str]:
    """Return warnings about problems for training and evaluation."""
    present = {(row.split, row.label) for row in kept}
    lines = [
        f"- **`{split}` has no {label} image.**"
        for split in FRACTIONS
        for label in ("ai", "real")
        if (split, label) not in present
    ]
    splits: dict[str, set[str | None]] = defaultdict(set)
    for row in kept:
        splits[row.source].add(row.split)
    shared = sorted(source for source, found in splits.items() if len(found) > 1)
    if shared:
        named = ", ".join(shared[:5]) + (" …" if len(shared) > 5 else "")
        lines.append(
            f"- **{len(shared)} sources are in more than one given split** ({named}). Results on"
            " `test` are in-distribution."
        )
    conflicts = sum(finding.reason is Reason.CONFLICT for finding in findings)
    if conflicts:
        lines.append(f"- {conflicts:,} files have a copy with the other label.")
    return [*lines, ""] if lines else []
