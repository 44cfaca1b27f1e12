"""Datasets: ``python -m training.datasets list|fetch|check|enlarge``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from models.image import MIN_SIDE
from training.datasets.clean import clean
from training.datasets.cleaning_report import page, write_findings
from training.datasets.dataset_errors import DatasetError, LayoutError
from training.datasets.dataset_manifest import Label, Row, read_csv, read_folder, write_csv
from training.datasets.enlarge import enlarge
from training.datasets.inspection import Inspection, Unreadable, inspect_files
from training.datasets.kaggle import fetch
from training.datasets.registry import DATASETS
from training.datasets.splits import split_by_source

_LABELS = {
    "ai": "all AI-made",
    "real": "all made by people",
    "both": "AI-made and real",
    None: "label unknown, needs --label",
}


def show() -> None:
    """Print the registry."""
    for row in DATASETS.values():
        made = f", made by {row.generator}" if row.generator else ""
        print(f"{row.name}: {row.title}")
        print(f"    Kaggle:  {row.handle or 'not confirmed, needs --handle owner/slug'}")
        print(f"    content: {row.corpus}, {_LABELS[row.label]}{made}; {row.layout}")
        print(f"    licence: {row.licence}")


def read(
    name: str, fetched: Path, label: Label | None, corpus: str, min_side: int
) -> tuple[list[Row], int]:
    """List the files of a dataset, and return its smallest side in pixels.

    Args:
        name: the name of a fetched dataset, a folder or a CSV.
        fetched: the folder of the fetched datasets.
        label: for files without a label in their path, in a folder or in a dataset without label.
        corpus: for files without a corpus.
        min_side: for datasets that are not in the registry.

    Raises:
        LayoutError: the dataset does not exist, or its label is unknown.
    """
    dataset = DATASETS.get(name)
    if dataset is None:
        path = Path(name)
        if path.is_dir():
            return read_folder(path, path.resolve().name, corpus, label=label), min_side
        return read_csv(path, corpus), min_side
    if dataset.label is None and label is None:
        raise LayoutError(
            f"The label of {dataset.name} is unknown. Look at its images and give --label."
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


def check(datasets: Sequence[tuple[str, list[Row], int]], out: Path) -> str:
    """Clean and split datasets. Write ``manifest.csv``, ``findings.csv`` and ``report.md``.

    Args:
        datasets: name, files and smallest side in pixels of each.
        out: the folder for the results.

    Returns:
        The report.
    """
    inspections: list[Inspection | Unreadable] = []
    for name, rows, min_side in datasets:
        inspections += inspect_files(rows, min_side, f"reading {name}")
    kept, findings = clean(inspections)
    kept = split_by_source(kept)
    report = page(len(inspections), kept, findings)
    out.mkdir(parents=True, exist_ok=True)
    write_csv(out / "manifest.csv", kept)
    write_findings(out / "findings.csv", findings)
    (out / "report.md").write_text(report)
    return report


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse and run the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.datasets", description=__doc__)
    parser.add_argument(
        "--fetched", type=Path, default=Path("runs/datasets"), help="folder of fetched datasets"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="print the registry")
    fetching = commands.add_parser("fetch", help="download a dataset from Kaggle")
    fetching.add_argument("name", choices=DATASETS, metavar="NAME")
    fetching.add_argument("--handle", help="owner/slug on Kaggle, instead of the registry's")
    checking = commands.add_parser("check", help="clean, split by source, write a manifest")
    checking.add_argument(
        "datasets", nargs="+", metavar="DATASET", help="a fetched dataset, a folder or a CSV"
    )
    checking.add_argument("--out", type=Path, default=Path("runs/checked"))
    checking.add_argument("--label", choices=("ai", "real"), help="for folders without labels")
    checking.add_argument("--corpus", choices=("photo", "art"), default="photo")
    checking.add_argument("--min-side", type=int, default=MIN_SIDE, help="smallest side in pixels")
    enlarging = commands.add_parser("enlarge", help="add images to the modern pack")
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
            datasets = [(dataset, *read(dataset, *options)) for dataset in given.datasets]
            print(check(datasets, given.out))
    except DatasetError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
