"""Datasets: ``python -m training.datasets list|fetch|check|enlarge``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from models.image import MIN_SIDE
from training.datasets.clean import clean
from training.datasets.enlarge import enlarge
from training.datasets.errors import DatasetError, LayoutError
from training.datasets.fetch import fetch
from training.datasets.look import Look, Unreadable, look_at
from training.datasets.manifest import Label, Row, read_csv, read_folder, write_csv
from training.datasets.registry import DATASETS
from training.datasets.splits import split_by_source
from training.datasets.summary import page, write_findings

_LABELS = {
    "ai": "all AI-made",
    "real": "all made by people",
    "both": "AI-made and real",
    None: "nobody says whether AI-made: check it with --label",
}


def show() -> None:
    """Print the registry."""
    for row in DATASETS.values():
        made = f", made by {row.generator}" if row.generator else ""
        print(f"{row.name}: {row.title}")
        print(f"    Kaggle:  {row.handle or 'not confirmed: fetch it with --handle owner/slug'}")
        print(f"    holds:   {row.corpus}, {_LABELS[row.label]}{made}; {row.layout}")
        print(f"    licence: {row.licence}")


def read(
    place: str, fetched: Path, label: Label | None, corpus: str, min_side: int
) -> tuple[list[Row], int]:
    """List the files of a place, and say how small an image of it may be.

    Args:
        place: the name of a fetched dataset, a folder, or a CSV.
        fetched: the folder that holds one folder for each fetched dataset.
        label: of files whose folder does not tell, in a folder or a dataset of unknown label.
        corpus: of what does not tell.
        min_side: of what is not in the registry.

    Raises:
        LayoutError: there is no such place, or nothing tells its labels.
    """
    dataset = DATASETS.get(place)
    if dataset is None:
        path = Path(place)
        if path.is_dir():
            return read_folder(path, path.resolve().name, corpus, label=label), min_side
        return read_csv(path, corpus), min_side
    if dataset.label is None and label is None:
        raise LayoutError(
            f"Nobody says whether {dataset.name} is AI-made: look at it and give --label."
        )
    rows = read_folder(
        fetched / dataset.name,
        dataset.name,
        dataset.corpus,
        label=None if dataset.label == "both" else dataset.label or label,
        generator=dataset.generator,
        folders_are_sources=dataset.folders_are_sources,
    )
    return rows, dataset.min_side


def check(places: Sequence[tuple[str, list[Row], int]], out: Path) -> str:
    """Clean and split, and write ``manifest.csv``, ``findings.csv`` and ``report.md``.

    Args:
        places: of each its name, its files, and pixels of the smallest side that counts.
        out: the folder for what is written.

    Returns:
        The report.
    """
    looks: list[Look | Unreadable] = []
    for name, rows, min_side in places:
        looks += look_at(rows, min_side, f"reading {name}")
    kept, findings = clean(looks)
    kept = split_by_source(kept)
    report = page(len(looks), kept, findings)
    out.mkdir(parents=True, exist_ok=True)
    write_csv(out / "manifest.csv", kept)
    write_findings(out / "findings.csv", findings)
    (out / "report.md").write_text(report)
    return report


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and do as it says."""
    parser = argparse.ArgumentParser(prog="python -m training.datasets", description=__doc__)
    parser.add_argument(
        "--fetched", type=Path, default=Path("runs/datasets"), help="folder of fetched datasets"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="print the registry")
    fetching = commands.add_parser("fetch", help="download a dataset from Kaggle")
    fetching.add_argument("name", choices=DATASETS, metavar="NAME")
    fetching.add_argument("--handle", help="owner/slug on Kaggle, if not the registry's")
    checking = commands.add_parser("check", help="clean, split by source, write a manifest")
    checking.add_argument(
        "places", nargs="+", metavar="PLACE", help="a fetched dataset, a folder or a CSV"
    )
    checking.add_argument("--out", type=Path, default=Path("runs/checked"))
    checking.add_argument("--label", choices=("ai", "real"), help="of a folder that does not tell")
    checking.add_argument("--corpus", choices=("photo", "art"), default="photo")
    checking.add_argument("--min-side", type=int, default=MIN_SIDE, help="pixels; less is tiny")
    enlarging = commands.add_parser("enlarge", help="put more images into the modern pack")
    enlarging.add_argument("clones", type=Path, help="folder of git repositories, OWNER/NAME")
    enlarging.add_argument("--data", type=Path, default=Path("../shared/data"), help="the packs")
    enlarging.add_argument("--out", type=Path, default=Path("runs/data"))
    given = parser.parse_args(arguments)
    try:
        if given.command == "list":
            show()
        elif given.command == "fetch":
            dataset = DATASETS[given.name]
            print(fetch(dataset, given.fetched / dataset.name, given.handle))
        elif given.command == "enlarge":
            for what, count in enlarge(given.clones, given.data, given.out).most_common():
                print(f"{what}: {count}")
        else:
            options = (given.fetched, given.label, given.corpus, given.min_side)
            places = [(place, *read(place, *options)) for place in given.places]
            print(check(places, given.out))
    except DatasetError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
