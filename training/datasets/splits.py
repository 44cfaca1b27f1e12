"""Assigns whole sources to ``train``, ``val`` and ``test``.

Images of one source have the same maker, camera or encoder. With a source in two splits, a model is
rewarded for recognising the source. In the older pack, size and format alone predict the label with
AUC 0.97 if images are split at random, and 0.71 if sources are.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from training.datasets.dataset_manifest import Label, Row
from training.datasets.packs import Split

FRACTIONS: dict[Split, float] = {"train": 0.8, "val": 0.1, "test": 0.1}


def split_by_source(rows: Sequence[Row]) -> list[Row]:
    """Assign a split to every row without one. The result is deterministic.

    Sources are assigned in descending order of size. Each goes to the split that lacks most of its
    labels. So a single source goes to ``train``, and three sources fill all splits. Sources with a
    split keep it.

    Args:
        rows: all have a label.
    """
    chosen: dict[str, Split] = {row.source: row.split for row in rows if row.split}
    sources: dict[str, Counter[Label]] = defaultdict(Counter)
    for row in rows:
        if row.label and row.source not in chosen:
            sources[row.source][row.label] += 1
    total = sum(sources.values(), Counter[Label]())
    have = {split: Counter[Label]() for split in FRACTIONS}

    def missed(split: Split, labels: Counter[Label]) -> float:
        return sum(
            count * (1 - have[split][label] / (FRACTIONS[split] * total[label]))
            for label, count in labels.items()
        )

    for source, labels in sorted(sources.items(), key=_largest_first):
        chosen[source] = max(FRACTIONS, key=lambda split: missed(split, labels))
        have[chosen[source]] += labels
    return [row if row.split else replace(row, split=chosen[row.source]) for row in rows]


def _largest_first(source: tuple[str, Counter[Label]]) -> tuple[int, str]:
    """Order by size, then by a hash of the name."""
    name, labels = source
    return -labels.total(), hashlib.sha256(name.encode()).hexdigest()
