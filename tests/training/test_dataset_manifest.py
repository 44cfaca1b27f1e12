"""Folders and CSVs become rows, and rows become images to train on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.pictures import drawing
from tests.training.dataset_files import put
from training.datasets.dataset_errors import LayoutError
from training.datasets.dataset_manifest import Row, load, read_csv, read_folder, write_csv


def test_folders_tell_split_label_and_source(tmp_path: Path) -> None:
    put(tmp_path / "set/test/FAKE/b.png", drawing())
    put(tmp_path / "set/train/Real/monet/a.jpg", drawing())

    assert read_folder(tmp_path / "set", "set", "art", generator="drawn") == [
        Row(tmp_path / "set/test/FAKE/b.png", "ai", "test", "set", "art", "drawn"),
        Row(tmp_path / "set/train/Real/monet/a.jpg", "real", "train", "set/monet", "art", ""),
    ]


def test_a_set_of_one_label_and_one_source_says_so_itself(tmp_path: Path) -> None:
    put(tmp_path / "cats/1.jpg", drawing())
    (row,) = read_folder(tmp_path, "cartoons", "art", label="ai", folders_are_sources=False)

    assert (row.label, row.split, row.source) == ("ai", None, "cartoons")


def test_no_file_is_passed_over_but_hidden_ones(tmp_path: Path) -> None:
    put(tmp_path / "prompts.txt", b"a cat")
    put(tmp_path / "REAL/1.jpg", drawing())
    put(tmp_path / ".complete/1", b"")
    rows = read_folder(tmp_path, "set", "photo")

    assert [(row.path.name, row.label) for row in rows] == [
        ("1.jpg", "real"),
        ("prompts.txt", None),
    ]


def test_a_csv_needs_path_and_label_alone(tmp_path: Path) -> None:
    table = put(tmp_path / "list.csv", b"label,path\nFAKE,site/a.jpg\nreal,b.jpg\n")

    assert read_csv(table, "photo") == [
        Row(tmp_path / "site/a.jpg", "ai", None, "site", "photo", ""),
        Row(tmp_path / "b.jpg", "real", None, ".", "photo", ""),
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("path,split\na.jpg,val\n", "no column label"),
        ("path,label\na.jpg,maybe\n", "line 2: the label “maybe”"),
        ("path,label,split\na.jpg,real,\nb.jpg,ai,dev\n", "line 3: the split “dev”"),
        ("path,label\n,ai\n", "line 2: there is no path"),
        ("", "no column label and path"),
    ],
)
def test_a_csv_that_says_something_else_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(LayoutError, match=says):
        read_csv(put(tmp_path / "list.csv", text.encode()), "photo")


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="cannot be read"):
        read_csv(tmp_path / "gone.csv", "photo")
    with pytest.raises(LayoutError, match="not a folder"):
        read_folder(tmp_path / "gone", "gone", "photo")


def test_a_manifest_comes_back_as_it_was_written_also_after_a_move(tmp_path: Path) -> None:
    (tmp_path / "one/out").mkdir(parents=True)
    rows = [Row(tmp_path / "one/set/a, b.jpg", "ai", "val", "sé/x", "art", "drawn")]
    write_csv(tmp_path / "one/out/manifest.csv", rows)
    (tmp_path / "one").rename(tmp_path / "two")
    (found,) = read_csv(tmp_path / "two/out/manifest.csv", "photo")

    assert found.path.resolve() == tmp_path / "two/set/a, b.jpg"
    assert (found.label, found.split, found.source) == ("ai", "val", "sé/x")
    assert (found.corpus, found.generator) == ("art", "drawn")


def test_a_split_of_a_manifest_is_read_as_the_packs_are(tmp_path: Path) -> None:
    rows = [
        Row(put(tmp_path / "a.png", drawing(1, (32, 40))), "ai", "train", "s", "art", "drawn"),
        Row(put(tmp_path / "b.png", drawing(2, (90, 70))), "real", "train", "t", "photo"),
        Row(put(tmp_path / "c.png", drawing(3)), "real", "val", "u", "photo"),
    ]
    write_csv(tmp_path / "manifest.csv", rows)
    images = load("train", tmp_path / "manifest.csv", tmp_path / "cache")

    assert images.labels().tolist() == [1, 0]
    assert [example.corpus for example in images.examples] == ["art", "photo"]
    assert np.array_equal(images.pixels(0), np.asarray(drawing(1, (32, 40))))
    assert np.array_equal(images.pixels(1), np.asarray(drawing(2, (90, 70))))
    with pytest.raises(LayoutError, match="no labelled image in test"):
        load("test", tmp_path / "manifest.csv", tmp_path / "cache")


def test_a_changed_manifest_is_not_served_the_pixels_of_the_old_one(tmp_path: Path) -> None:
    first = Row(put(tmp_path / "a.png", drawing(1)), "ai", "train", "s", "art")
    second = Row(put(tmp_path / "b.png", drawing(2)), "real", "train", "s", "art")
    write_csv(tmp_path / "manifest.csv", [first])
    assert len(load("train", tmp_path / "manifest.csv", tmp_path / "cache")) == 1
    write_csv(tmp_path / "manifest.csv", [first, second])

    assert len(load("train", tmp_path / "manifest.csv", tmp_path / "cache")) == 2
