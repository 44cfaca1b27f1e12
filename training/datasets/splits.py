"""Gives whole sources to ``train``, ``val`` and ``test``.

Images of one source share a maker, a camera, a site's encoder: with a source in two splits, a model
is praised for knowing the source. (In the older pack size and format alone tell the labels with AUC
0.97 when images are split at random, and 0.71 when sources are.)
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from training.datasets.manifest import Label, Row
from training.datasets.packs import Split

SHARES: dict[Split, float] = {"train": 0.8, "val": 0.1, "test": 0.1}


def split_by_source(rows: Sequence[Row]) -> list[Row]:
    """Give every row without a split one; the same rows always get the same.

    The largest source comes first, and each goes where the share of its labels is missed most. So
    a lone source goes to ``train``, and three fill all splits. Sources that have a split already
    keep it.

    Args:
        rows: all with a label.
    """
    chosen: dict[str, Split] = {row.source: row.split for row in rows if row.split}
    sources: dict[str, Counter[Label]] = defaultdict(Counter)
    for row in rows:
        if row.label and row.source not in chosen:
            sources[row.source][row.label] += 1
    total = sum(sources.values(), Counter[Label]())
    have = {split: Counter[Label]() for split in SHARES}

    def missed(split: Split, labels: Counter[Label]) -> float:
        return sum(
            count * (1 - have[split][label] / (SHARES[split] * total[label]))
            for label, count in labels.items()
        )

    for source, labels in sorted(sources.items(), key=_largest_first):
        chosen[source] = max(SHARES, key=lambda split: missed(split, labels))
        have[chosen[source]] += labels
    return [row if row.split else replace(row, split=chosen[row.source]) for row in rows]


def _largest_first(source: tuple[str, Counter[Label]]) -> tuple[int, str]:
    """Order by size; where that is the same, by nothing that a name means."""
    name, labels = source
    return -labels.total(), hashlib.sha256(name.encode()).hexdigest()
