"""A tiny dataset of drawn pictures with the layout of the real packs."""

from __future__ import annotations

import csv
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pictures import drawing, encoded
from tests.training.drawn_features import Drawn, draw
from training import features, kinds
from training.paths import Paths

COLUMNS = (
    "name",
    "split",
    "label",
    "corpus",
    "source",
    "generator",
    "original_width",
    "original_height",
    "original_format",
)
SPLITS = ("train", "val", "test")


def tar_of(pack: str, split: str) -> str:
    """Return the default tar of a split."""
    return f"images-modern-{split}.tar" if pack == "modern" else f"images-{split}.tar"


def rows(pack: str) -> Iterator[dict[str, str]]:
    """Per split and label: a source with three photographs, and a source with one artwork."""
    for split in SPLITS:
        for label in ("ai", "real"):
            for index in range(4):
                corpus = "photo" if index < 3 else "art"
                yield {
                    "name": f"{pack}-{split}-{label}-{index}.webp",
                    "split": split,
                    "label": label,
                    "corpus": corpus,
                    "source": f"{pack}/{split}-{label}-{corpus}",
                    "generator": "drawn",
                    "original_width": "1200",
                    "original_height": str(1000 + 200 * index),
                    "original_format": "PNG",
                }


@pytest.fixture(scope="session")
def drawn_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for pack in ("images", "modern"):
        known = list(rows(pack))
        with (folder / f"{pack}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(known)
        for split in SPLITS:
            with tarfile.open(folder / tar_of(pack, split), "w") as tar:
                for seed, row in enumerate(row for row in known if row["split"] == split):
                    data = encoded(drawing(seed, (300, 240 + 4 * seed)), "WEBP", lossless=True)
                    entry = tarfile.TarInfo(row["name"])
                    entry.size = len(data)
                    tar.addfile(entry, io.BytesIO(data))
    return folder


@pytest.fixture
def paths(drawn_data: Path, tmp_path: Path) -> Paths:
    return Paths(data=drawn_data, runs=tmp_path / "runs")


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Drawn:
    """Synthetic features with two features per block, and kinds for their sources."""
    made = draw()
    monkeypatch.setattr(features, "PER_DEPTH", 2)
    monkeypatch.setattr("training.recipes.PER_DEPTH", 2)
    monkeypatch.setattr(kinds, "read", lambda: made.kinds)
    return made
