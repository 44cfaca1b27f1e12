"""Reading the packs, and the sample weights."""

from __future__ import annotations

import csv
import io
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.pictures import drawing, encoded
from training.datasets import packs
from training.datasets.dataset_errors import LayoutError
from training.datasets.packs import Example
from training.paths import Paths


def example(source: str, *, ai: bool, corpus: str = "photo") -> Example:
    return Example("modern", "x.webp", ai, corpus, source, "drawn")


def test_pixels_come_back_as_they_were_packed(paths: Paths) -> None:
    images = packs.load("val", paths.data, paths.cache)

    assert len(images) == 16
    assert images.examples[5].name == "images-val-real-1.webp"
    assert np.array_equal(images.pixels(5), np.asarray(drawing(5, (300, 260))))
    assert images.labels().tolist() == [1, 1, 1, 1, 0, 0, 0, 0] * 2


def test_a_split_holds_no_image_of_another(paths: Paths) -> None:
    for split in ("train", "val", "test"):
        images = packs.load(split, paths.data, paths.cache)
        assert all(f"-{split}-" in example.name for example in images.examples)


def test_decoded_pixels_are_kept(paths: Paths) -> None:
    packs.load("val", paths.data, paths.cache)

    assert len(packs.load("val", Path("gone"), paths.cache)) == 16


def test_an_interrupted_decoding_is_begun_again(paths: Paths) -> None:
    paths.cache.mkdir(parents=True)
    (paths.cache / "val.rgb").write_bytes(b"half")

    assert packs.load("val", paths.data, paths.cache).pixels(0).shape == (240, 300, 3)


def write_pack(folder: Path, tars: Mapping[str, Sequence[str]], rows: Sequence[str]) -> None:
    """Write a modern pack with a column ``tar``, and an empty older one.

    Args:
        folder: where to.
        tars: the names in each tar.
        rows: of the CSV, each ``name split tar``.
    """
    columns = ("name", "split", "tar", "label", "corpus", "source", "generator")
    with (folder / "modern.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(
            [*row.split(), "ai", "photo", "someone/something", "drawn"] for row in rows
        )
    (folder / "images.csv").write_text(",".join(columns))
    for tar_name, names in tars.items():
        with tarfile.open(folder / tar_name, "w") as tar:
            for name in names:
                data = encoded(drawing(len(name), (240, 240)), "WEBP")
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))


def test_an_image_is_read_from_the_tar_that_its_row_names(tmp_path: Path) -> None:
    write_pack(
        tmp_path,
        {"old-test.tar": ["c", "a", "b"], "new.tar": ["d", "a"]},
        [
            "d train new.tar",
            "a train old-test.tar",
            "b test old-test.tar",
            "c train old-test.tar",
            "a val new.tar",
        ],
    )
    read = {
        split: [each.name for each in packs.load(split, tmp_path, tmp_path / "cache").examples]
        for split in ("train", "val", "test")
    }

    assert read == {"train": ["d", "c", "a"], "val": ["a"], "test": ["b"]}


def test_no_tar_is_opened_but_those_of_the_split(tmp_path: Path) -> None:
    write_pack(tmp_path, {"new.tar": ["a"]}, ["a train new.tar", "b test unread.tar"])

    assert len(packs.load("train", tmp_path, tmp_path / "cache")) == 1


def test_an_image_that_its_tar_lacks_is_missed(tmp_path: Path) -> None:
    write_pack(tmp_path, {"new.tar": ["a"]}, ["a train new.tar", "b train new.tar"])

    with pytest.raises(LayoutError, match=r"new\.tar lacks 1 images of modern\.csv, e\.g\. b"):
        packs.load("train", tmp_path, tmp_path / "cache")


def test_each_source_of_a_label_weighs_the_same_however_many_images_it_has() -> None:
    many = [example("many", ai=True)] * 9
    weights = packs.weights([*many, example("one", ai=True), example("real", ai=False)])

    assert weights[:9].sum() == pytest.approx(weights[9]) == pytest.approx(0.25)


def test_both_labels_weigh_one_half() -> None:
    real = [example(f"real{i}", ai=False) for i in range(5)]
    weights = packs.weights([example("ai", ai=True), *real])

    assert weights[0] == pytest.approx(0.5)
    assert weights.sum() == pytest.approx(1)


def test_a_corpus_can_be_weighed_down() -> None:
    both = [example("a", ai=True), example("b", ai=True, corpus="art")]
    weights = packs.weights([*both, example("c", ai=False)], {"photo": 0.25, "art": 1.0})

    assert weights[1] == pytest.approx(4 * weights[0])
