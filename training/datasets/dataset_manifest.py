"""Dataset manifests: a CSV with one row per image, ``path,label[,split,source,corpus,generator]``.

A folder gives the same rows. Parts of a path named REAL or FAKE give the label, those named train,
val or test the split. ``load`` opens a manifest for training, like the packs.
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from rich.progress import track

from models.image import decode
from models.views import Pixels
from training.datasets import packs
from training.datasets.dataset_errors import LayoutError
from training.datasets.packs import Example, Images, Split

Label = Literal["ai", "real"]

COLUMNS = ("path", "label", "split", "source", "corpus", "generator")

_LABELS: dict[str, Label] = {"real": "real", "fake": "ai", "ai": "ai"}
_SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True)
class Row:
    """One image file and its metadata.

    Args:
        path: the file.
        label: None if unknown.
        split: None if not assigned yet.
        source: its origin. No source should be in two splits.
        corpus: ``photo`` or ``art``.
        generator: the generator, if known.
    """

    path: Path
    label: Label | None
    split: Split | None
    source: str
    corpus: str
    generator: str = ""


def read_folder(
    folder: Path,
    name: str,
    corpus: str,
    *,
    label: Label | None = None,
    generator: str = "",
    folders_are_sources: bool = True,
) -> list[Row]:
    """List all files of a folder that are not hidden, sorted by name.

    Args:
        folder: the folder.
        name: of the dataset. Its sources start with it.
        corpus: ``photo`` or ``art``.
        label: for files outside folders named REAL, FAKE or AI.
        generator: of the AI images.
        folders_are_sources: whether other folder names are sources.

    Raises:
        LayoutError: the folder does not exist.
    """
    if not folder.is_dir():
        raise LayoutError(f"{folder} is not a folder.")
    rows = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        inside = path.relative_to(folder)
        if any(part.startswith(".") for part in inside.parts):
            continue
        parts = [part.lower() for part in inside.parts[:-1]]
        own_label = next((_LABELS[part] for part in parts if part in _LABELS), label)
        others = [part for part in parts if part not in (*_LABELS, *_SPLITS)]
        rows.append(
            Row(
                path=path,
                label=own_label,
                split=next((split for part in parts for split in _SPLITS if part == split), None),
                source="/".join([name, *others] if folders_are_sources else [name]),
                corpus=corpus,
                generator=generator if own_label == "ai" else "",
            )
        )
    return rows


def read_csv(manifest: Path, corpus: str) -> list[Row]:
    """Read a manifest. Its paths are relative to its folder.

    Args:
        manifest: the CSV. ``path`` and ``label`` are required. The default source is the file's
            folder.
        corpus: for rows without one.

    Raises:
        LayoutError: the file or a column is missing, or a value is invalid.
    """
    try:
        with manifest.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = {"path", "label"} - set(reader.fieldnames or ())
            if missing:
                raise LayoutError(f"{manifest} has no column {' and '.join(sorted(missing))}.")
            return [_row(manifest, reader.line_num, row, corpus) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LayoutError(f"{manifest} cannot be read: {error}.") from error


def _row(manifest: Path, line: int, row: dict[str, str | None], corpus: str) -> Row:
    """Check one line of a CSV."""
    label = (row["label"] or "").strip().lower()
    split = (row.get("split") or "").strip().lower()
    where = f"{manifest}, line {line}"
    if not row["path"]:
        raise LayoutError(f"{where}: there is no path.")
    if label and label not in _LABELS:
        raise LayoutError(f"{where}: the label “{label}” is none of real, fake and ai.")
    if split and split not in _SPLITS:
        raise LayoutError(f"{where}: the split “{split}” is none of train, val and test.")
    return Row(
        path=manifest.parent / row["path"],
        label=_LABELS[label] if label else None,
        split=next((name for name in _SPLITS if name == split), None),
        source=row.get("source") or Path(row["path"]).parent.as_posix(),
        corpus=row.get("corpus") or corpus,
        generator=row.get("generator") or "",
    )


def write_csv(manifest: Path, rows: Iterable[Row]) -> None:
    """Write a manifest with paths relative to its folder, so both can be moved together."""
    with manifest.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in rows:
            path = Path(os.path.relpath(row.path, manifest.parent)).as_posix()
            facts = (row.label or "", row.split or "", row.source, row.corpus, row.generator)
            writer.writerow((path, *facts))


def load(split: Split, manifest: Path, cache: Path) -> Images:
    """Open a split of a cleaned manifest. It is decoded on first use.

    Args:
        split: the split.
        manifest: a CSV from ``check``, with a label and a split in every row.
        cache: the folder for decoded pixels. The key is the hash of the CSV.

    Raises:
        LayoutError: the CSV cannot be read, or has no image of the split.
        ImageError: an image cannot be decoded. ``check`` would have removed it.
    """
    rows = [row for row in read_csv(manifest, "photo") if row.split == split and row.label]
    if not rows:
        raise LayoutError(f"{manifest} has no labelled image in {split}.")
    digest = hashlib.sha256(manifest.read_bytes()).hexdigest()[:12]
    name = f"{manifest.stem}-{digest}-{split}"
    return packs.keep(cache, name, lambda: _decoded(manifest.stem, split, rows))


def _decoded(pack: str, split: Split, rows: Sequence[Row]) -> Iterator[tuple[Example, Pixels]]:
    for row in track(rows, description=f"decoding {pack}, {split}"):
        example = Example(
            pack=pack,
            name=row.path.name,
            ai=row.label == "ai",
            corpus=row.corpus,
            source=row.source,
            generator=row.generator,
        )
        # The cleaning has already applied the smallest side.
        yield example, decode(row.path.read_bytes(), min_side=1).pixels
