"""The packs ``images`` and ``modern``: a CSV with one row per image, and tars with the files.

The column ``split`` has an image's split, the column ``tar`` its tar. A pack without the column
``tar`` has one tar per split. The images are decoded once, with the production decoder, into one
flat pixel file per split, which is memory-mapped.
"""

from __future__ import annotations

import csv
import json
import tarfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from models.image import decode
from models.views import Pixels
from training.datasets.dataset_errors import LayoutError

Split = Literal["train", "val", "test"]

PACKS = {"images": "images-{}.tar", "modern": "images-modern-{}.tar"}
"""Each pack's name, and the default tar of a split."""


@dataclass(frozen=True)
class Example:
    """The metadata of one image. It has nothing about the original file, which reveals the label.

    Args:
        pack: ``images`` (older generators) or ``modern`` (today's web).
        name: its file in the tar.
        ai: whether it is AI-made.
        corpus: ``photo`` or ``art``.
        source: its repository. No source is in two splits.
        generator: the generator, if known.
    """

    pack: str
    name: str
    ai: bool
    corpus: str
    source: str
    generator: str


@dataclass(frozen=True)
class Images:
    """Examples and their pixels.

    Args:
        examples: pack by pack, tar by tar, in the order of the tars' entries.
        layout: offset in ``flat``, height and width of each image.
        flat: the pixels of all images, one after the other.
    """

    examples: Sequence[Example]
    layout: NDArray[np.int64]
    flat: Pixels

    def __len__(self) -> int:
        return len(self.examples)

    def pixels(self, index: int) -> Pixels:
        """Return one image, shape (height, width, 3)."""
        offset, height, width = self.layout[index]
        return self.flat[offset : offset + height * width * 3].reshape(height, width, 3)

    def labels(self) -> NDArray[np.float32]:
        """Return 1 for AI, 0 for real."""
        return np.array([example.ai for example in self.examples], np.float32)


def load(split: Split, data: Path, cache: Path) -> Images:
    """Open a split. It is decoded on first use.

    Args:
        split: the split.
        data: the folder with the CSVs and tars.
        cache: the folder for decoded pixels. Remove it when the data changes.
    """
    return keep(cache, split, lambda: _decoded(split, data))


def keep(cache: Path, name: str, decoded: Callable[[], Iterable[tuple[Example, Pixels]]]) -> Images:
    """Open cached images. If they are not cached, decode and cache them.

    Args:
        cache: the folder of the cache.
        name: of these images in the cache.
        decoded: yields the decoded images. Called only if they are not cached.
    """
    pixels, index = cache / f"{name}.rgb", cache / f"{name}.json"
    if not index.exists():
        cache.mkdir(parents=True, exist_ok=True)
        _write(decoded(), pixels, index)
    rows = json.loads(index.read_text())
    return Images(
        examples=[Example(**row["example"]) for row in rows],
        layout=np.array([row["layout"] for row in rows], np.int64),
        flat=np.memmap(pixels, np.uint8, mode="r"),
    )


def weights(
    examples: Sequence[Example], corpora: Mapping[str, float] | None = None
) -> NDArray[np.float64]:
    """Return sample weights with the same total for each source and label.

    An example of a source with n examples of the same label has the weight 1/n, times the weight of
    its corpus. Then each label is scaled to a total of 1/2.

    Args:
        examples: the examples. Both labels occur.
        corpora: weight of each corpus. None: equal weights.
    """
    counts = Counter((example.source, example.ai) for example in examples)
    weight: NDArray[np.float64] = np.array(
        [
            (corpora[example.corpus] if corpora else 1.0) / counts[example.source, example.ai]
            for example in examples
        ]
    )
    ai = np.array([example.ai for example in examples])
    for side in (ai, ~ai):
        weight[side] /= 2 * weight[side].sum()
    return weight


def at_most(examples: Sequence[Example], most: int = 48) -> list[int]:
    """Return the indices of at most ``most`` images per source and label, spread evenly.

    All sources have the same weight, so more images of one source cost time and add little.
    """
    by_group: dict[tuple[str, bool], list[int]] = {}
    for index, example in enumerate(examples):
        by_group.setdefault((example.source, example.ai), []).append(index)
    chosen = [
        group[step * len(group) // min(most, len(group))]
        for group in by_group.values()
        for step in range(min(most, len(group)))
    ]
    return sorted(chosen)


def _write(decoded: Iterable[tuple[Example, Pixels]], pixels: Path, index: Path) -> None:
    """Write the pixels, then the index. After an interruption there is no index."""
    rows: list[dict[str, Any]] = []
    offset = 0
    with pixels.open("wb") as out:
        for example, image in decoded:
            rows.append({"example": asdict(example), "layout": [offset, *image.shape[:2]]})
            out.write(np.ascontiguousarray(image).data)
            offset += image.size
    index.write_text(json.dumps(rows))


def _decoded(split: Split, data: Path) -> Iterator[tuple[Example, Pixels]]:
    """Decode the images of a split, pack by pack. A tar may hold images of other splits too.

    Raises:
        LayoutError: an image of the CSV is missing in its tar.
    """
    for pack in PACKS:
        for tar_name, known in _rows_by_tar(pack, split, data).items():
            with tarfile.open(data / tar_name) as tar:
                entries = [entry for entry in tar if entry.name in known]
                missing = known.keys() - {entry.name for entry in entries}
                if missing:
                    what = f"{len(missing)} images of {pack}.csv, e.g. {min(missing)}"
                    raise LayoutError(f"{tar_name} lacks {what}.")
                for entry in track(entries, description=f"decoding {tar_name}, {split}"):
                    image = decode(cast("Any", tar.extractfile(entry)).read()).pixels
                    yield _example(pack, known[entry.name]), image


def _rows_by_tar(pack: str, split: Split, data: Path) -> dict[str, dict[str, dict[str, str]]]:
    """Return a split's rows of a pack's CSV, by tar and image name."""
    rows: dict[str, dict[str, dict[str, str]]] = {}
    with (data / f"{pack}.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["split"] == split:
                tar = row.get("tar") or PACKS[pack].format(split)
                rows.setdefault(tar, {})[row["name"]] = row
    return rows


def _example(pack: str, row: Mapping[str, str]) -> Example:
    return Example(
        pack=pack,
        name=row["name"],
        ai=row["label"] == "ai",
        corpus=row["corpus"],
        source=row["source"],
        generator=row["generator"],
    )
