"""Kinds of sources that are held out together."""

from __future__ import annotations

from collections import Counter

import pytest

from training import kinds
from training.datasets.dataset_errors import LayoutError
from training.datasets.packs import Example


def example(source: str, pack: str = "modern") -> Example:
    return Example(pack, "x.webp", True, "photo", source, "")


def test_every_kind_of_the_table_is_held_out_once() -> None:
    grouped = Counter(kind for group in kinds.HELD_OUT.values() for kind in group)

    assert set(kinds.read().values()) == set(grouped)
    assert set(grouped.values()) == {1}


def test_a_source_is_held_out_with_its_kind() -> None:
    examples = [example("a"), example("b"), example("c"), example("a", "images")]
    table = {"a": "gallery", "b": "portfolio", "c": "quiz"}

    assert kinds.held_out(examples, table).tolist() == [
        "galleries against portfolios",
        "galleries against portfolios",
        "quizzes",
        "",
    ]


def test_a_source_without_a_kind_is_named() -> None:
    with pytest.raises(LayoutError, match=r"1 sources have no kind in kinds\.csv, e\.g\. new/one"):
        kinds.held_out([example("new/one"), example("a")], {"a": "art"})
