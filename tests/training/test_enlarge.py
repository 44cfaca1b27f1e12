"""Adding images to the modern pack from git repositories."""

from __future__ import annotations

import csv
import gzip
import hashlib
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.pictures import drawing, encoded
from tests.training.conftest import tar_of
from training.datasets import packs
from training.datasets.__main__ import main
from training.datasets.dataset_errors import LayoutError
from training.datasets.enlarge import as_packed, enlarge


@pytest.fixture
def data(drawn_data: Path, tmp_path: Path) -> Path:
    """The packs with a list of originals: three more of one repository, and three special cases."""
    folder = tmp_path / "data"
    folder.mkdir()
    for each in drawn_data.iterdir():
        (folder / each.name).write_bytes(each.read_bytes())
    with (folder / "modern.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = [*rows[0], "original_sha256", "view", "width", "height", "tar"]
    with (folder / "modern.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(
            {**row, "original_sha256": row["name"], "tar": tar_of("modern", row["split"])}
            for row in rows
        )
    repository = tmp_path / "clones" / "modern" / "train-ai-photo"
    repository.mkdir(parents=True)
    listed = []
    for seed, split in enumerate(("train", "train", "train", "test")):
        content = encoded(drawing(seed, (500, 900)), "PNG")
        (repository / f"{seed}.png").write_bytes(content)
        listed.append(original(f"{seed}.png", hashlib.sha256(content).hexdigest(), split))
    (repository / "notes.png").write_bytes(b"text")
    listed += [
        original("notes.png", hashlib.sha256(b"text").hexdigest()),
        original("0.png", "0" * 64),
        original("gone.png", "1" * 64),
        {**original("a.png", "2" * 64), "source": "nobody/nothing"},
        original("1.png", rows[0]["name"]),  # already in the pack
    ]
    with gzip.open(folder / "modern-sources.csv.gz", "wt", newline="") as file:
        writer = csv.DictWriter(file, listed[0])
        writer.writeheader()
        writer.writerows(listed)
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"]):
        who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *who, "-C", str(repository), *command], check=True)
    return folder


def original(path: str, sha256: str, split: str = "train") -> dict[str, str]:
    """Return a row of the list."""
    return {
        "split": split,
        "label": "ai",
        "corpus": "photo",
        "generator": "drawn",
        "source": "modern/train-ai-photo",
        "source_path": path,
        "width": "500",
        "height": "900",
        "format": "PNG",
        "sha256": sha256,
    }


def test_images_of_the_same_repositories_are_added(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    counts = enlarge(tmp_path / "clones", data, out)

    assert counts.pop("added") == 3
    assert counts == {
        "not_an_image: The file is not an image.": 1,
        "another file": 1,
        "no such file": 1,
        "no clone": 1,
    }
    before = packs.load("train", data, tmp_path / "before")
    after = packs.load("train", out, tmp_path / "after")
    assert after.examples[: len(before)] == before.examples
    assert [each.source for each in after.examples[len(before) :]] == ["modern/train-ai-photo"] * 3
    assert after.pixels(len(before)).shape == (432, 240, 3)
    for split in ("val", "test"):
        assert len(packs.load(split, out, tmp_path / "after")) == len(
            packs.load(split, data, tmp_path / "before")
        )


def test_no_more_are_added_than_asked_for(data: Path, tmp_path: Path) -> None:
    assert enlarge(tmp_path / "clones", data, tmp_path / "out", most=2)["added"] == 2


@pytest.mark.parametrize(
    ("size", "packed"),
    [
        ((960, 480), (480, 240)),
        ((2000, 480), (480, 240)),
        ((480, 2000), (240, 480)),
        ((99, 80), (99, 80)),
    ],
)
def test_an_image_is_made_as_the_packs_are(size: tuple[int, int], packed: tuple[int, int]) -> None:
    assert as_packed(np.zeros((size[1], size[0], 3), np.uint8)).size == packed


def test_a_folder_without_the_list_is_refused(drawn_data: Path, tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match=r"modern-sources\.csv\.gz"):
        enlarge(tmp_path, drawn_data, tmp_path / "out")


def test_the_command_says_what_it_added(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["enlarge", str(tmp_path / "clones"), "--data", str(data), "--out", str(tmp_path / "out")])

    assert "added: 3" in capsys.readouterr().out
