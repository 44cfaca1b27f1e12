"""The packs ``images`` and ``modern``: a CSV that tells of each image, a tar of files per split.

Decoded once, by the decoder that serves, into one flat file of pixels per split that is memory-
mapped afterwards.
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

Split = Literal["train", "val", "test"]

PACKS = {"images": "images-{}.tar", "modern": "images-modern-{}.tar"}
"""Each pack's CSV and, per split, its tar."""


@dataclass(frozen=True)
class Example:
    """What is known of one image; nothing of the original file, which would give it away.

    Args:
        pack: ``images`` (older generators) or ``modern`` (the web of today).
        name: its file in the tar.
        ai: whether it is AI-made.
        corpus: ``photo`` or ``art``.
        source: the repository it comes from; no source is in two splits.
        generator: what made it, as far as known.
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
        examples: in the order of the CSVs.
        layout: for each example its offset in ``flat``, its height and its width.
        flat: all pixels, one image after the other.
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
    """Open a split, decoding its packs on first use.

    Args:
        split: which.
        data: the folder with the CSVs and tars.
        cache: where decoded pixels are kept; remove it when the data changes.
    """
    return keep(cache, split, lambda: _decoded(split, data))


def keep(cache: Path, name: str, decoded: Callable[[], Iterable[tuple[Example, Pixels]]]) -> Images:
    """Open images that were kept, keeping them first if they are not.

    Args:
        cache: the folder of what is kept.
        name: of these images in it.
        decoded: gives them, one by one; called only when they are not kept yet.
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
    """Weigh examples so that each source speaks as loudly as any other.

    An example of a source with n of the same label weighs 1/n, times the weight of its corpus;
    then both labels are scaled to one half of the total, which is 1.

    Args:
        examples: what to weigh; holds both labels.
        corpora: weight of each corpus; equal when left out.
    """
    counts = Counter((example.source, example.ai) for example in examples)
    shares = np.array(
        [
            (corpora[example.corpus] if corpora else 1.0) / counts[example.source, example.ai]
            for example in examples
        ]
    )
    ai = np.array([example.ai for example in examples])
    for side in (ai, ~ai):
        shares[side] /= 2 * shares[side].sum()
    return shares


def at_most(examples: Sequence[Example], most: int = 48) -> list[int]:
    """Return the places of at most ``most`` images of each source and label, spread evenly.

    Sources weigh the same, so the fiftieth image of one adds time and little else.
    """
    places: dict[tuple[str, bool], list[int]] = {}
    for place, example in enumerate(examples):
        places.setdefault((example.source, example.ai), []).append(place)
    chosen = [
        group[step * len(group) // min(most, len(group))]
        for group in places.values()
        for step in range(min(most, len(group)))
    ]
    return sorted(chosen)


def _write(decoded: Iterable[tuple[Example, Pixels]], pixels: Path, index: Path) -> None:
    """Write the pixels, then their index: an interrupted run leaves no index."""
    rows: list[dict[str, Any]] = []
    offset = 0
    with pixels.open("wb") as out:
        for example, image in decoded:
            rows.append({"example": asdict(example), "layout": [offset, *image.shape[:2]]})
            out.write(np.ascontiguousarray(image).data)
            offset += image.size
    index.write_text(json.dumps(rows))


def _decoded(split: Split, data: Path) -> Iterator[tuple[Example, Pixels]]:
    """Decode the images of a split, pack by pack."""
    for pack, pattern in PACKS.items():
        with (data / f"{pack}.csv").open(newline="") as file:
            known = {row["name"]: row for row in csv.DictReader(file) if row["split"] == split}
        with tarfile.open(data / pattern.format(split)) as tar:
            title = f"decoding {pack}, {split}"
            for entry in track(tar, description=title, total=len(known)):
                image = decode(cast("Any", tar.extractfile(entry)).read()).pixels
                yield _example(pack, known[entry.name]), image


def _example(pack: str, row: Mapping[str, str]) -> Example:
    return Example(
        pack=pack,
        name=row["name"],
        ai=row["label"] == "ai",
        corpus=row["corpus"],
        source=row["source"],
        generator=row["generator"],
    )
