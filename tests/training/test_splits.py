"""Splits by source."""

from __future__ import annotations

from pathlib import Path

from training.datasets.dataset_manifest import Label, Row
from training.datasets.packs import Split
from training.datasets.splits import split_by_source


def rows(source: str, count: int, label: Label = "ai", split: Split | None = None) -> list[Row]:
    return [Row(Path(f"{source}/{i}"), label, split, source, "photo") for i in range(count)]


def splits_of(found: list[Row]) -> dict[str, set[str | None]]:
    splits: dict[str, set[str | None]] = {}
    for row in found:
        splits.setdefault(row.source, set()).add(row.split)
    return splits


def count(found: list[Row], split: Split, label: Label) -> int:
    return sum(row.split == split and row.label == label for row in found)


def test_no_source_is_in_two_splits_not_even_with_both_labels() -> None:
    found = split_by_source(
        [row for i in range(30) for label in ("ai", "real") for row in rows(f"s{i}", 3, label)]
    )

    assert all(len(splits) == 1 for splits in splits_of(found).values())


def test_the_shares_hold_for_each_label_where_sources_are_many() -> None:
    found = split_by_source(
        [
            *(row for i in range(100) for row in rows(f"a{i}", 1 + i % 7, "ai")),
            *(row for i in range(40) for row in rows(f"r{i}", 1 + i % 5, "real")),
        ]
    )

    for label, total in (("ai", 395), ("real", 120)):
        assert sum(row.label == label for row in found) == total
        for split, fraction in (("train", 0.8), ("val", 0.1), ("test", 0.1)):
            assert abs(count(found, split, label) / total - fraction) < 0.03


def test_a_lone_source_is_trained_on_and_three_fill_all_splits() -> None:
    assert splits_of(split_by_source(rows("a", 9))) == {"a": {"train"}}
    found = splits_of(split_by_source([*rows("a", 9), *rows("b", 5), *rows("c", 1)]))
    assert found == {"a": {"train"}, "b": {"val"}, "c": {"test"}}


def test_given_splits_stay_and_draw_the_rest_of_their_source_along() -> None:
    found = split_by_source([*rows("a", 2, split="test"), *rows("a", 2), *rows("b", 2)])

    assert splits_of(found) == {"a": {"test"}, "b": {"train"}}


def test_the_order_of_the_rows_does_not_matter() -> None:
    given = [row for i in range(20) for row in rows(f"s{i}", 2)]

    assert set(split_by_source(given)) == set(split_by_source(given[::-1]))
