"""Feedback → a folder of images with a manifest that training can read.

Nothing of an image is kept but its hash, so each is fetched again, as safely as for a check; what
is no longer there, or is another image by now, is left out.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from backend.formats import guarded
from models.errors import CheckError
from models.feedback import Feedback
from workers.fetch.client import Fetcher

COLUMNS = (
    *("path", "label", "split", "source", "corpus", "generator"),  # what training reads
    *("says", "how", "known_from", "comment", "callers", "said_at"),
    *("url", "sha256", "verdict", "probability", "model_version", "judged_at"),
)
MANIFEST, IMAGES = "manifest.csv", "images"
_THREADS = 2
"""As many requests at once as one host gets, and all images may be of one host."""


class ExportError(Exception):
    """The folder cannot be written; the message is a sentence for people."""


def export(
    said: Iterable[Feedback], folder: Path, fetcher: Fetcher, left_out: Callable[[str], None]
) -> int:
    """Write a manifest, and beside it the images that it names and that are not there yet.

    Args:
        said: what to export.
        folder: where to; made if it is not there.
        fetcher: gets the images.
        left_out: is told, in a sentence, of every image that cannot be exported.

    Returns:
        How many images the manifest names.

    Raises:
        ExportError: the folder cannot be written.
    """
    images = _by_image(said)
    try:
        (folder / IMAGES).mkdir(parents=True, exist_ok=True)
        rows = list(_rows(images, folder, fetcher, left_out))
        _write(folder / MANIFEST, rows)
    except OSError as error:
        raise ExportError(f"{folder} cannot be written: {error.strerror}.") from error
    return len(rows)


def _by_image(said: Iterable[Feedback]) -> list[list[Feedback]]:
    """Group what was said by the image, the newest first."""
    images: dict[str, list[Feedback]] = {}
    for each in said:
        images.setdefault(each.sha256, []).insert(0, each)
    return list(images.values())


def _rows(
    images: list[list[Feedback]],
    folder: Path,
    fetcher: Fetcher,
    left_out: Callable[[str], None],
) -> Iterator[dict[str, object]]:
    with ThreadPoolExecutor(_THREADS) as threads:
        obtained = threads.map(lambda said: _obtain(said, folder, fetcher), images)
        for said, why_not in zip(images, obtained, strict=True):
            if why_not is None:
                yield _row(said)
            else:
                left_out(f"{said[0].url or f'sha256:{said[0].sha256}'}: {why_not}")


def _obtain(said: list[Feedback], folder: Path, fetcher: Fetcher) -> str | None:
    """See that the image is in the folder; return why it cannot be, if so."""
    if len({each.says for each in said}) > 1:
        return "Some say that it is AI-made, and some that it is not."
    path = folder / _path(said[0])
    if path.exists() and _is(path.read_bytes(), said[0].sha256):
        return None
    why_not = "It was uploaded, and uploads are not kept."
    for url in dict.fromkeys(each.url for each in said if each.url):
        try:
            fetched = fetcher.get(url)
        except CheckError as error:
            why_not = error.detail
            continue
        if fetched is not None and _is(fetched.data, said[0].sha256):
            path.write_bytes(fetched.data)
            return None
        why_not = "There is another image by now."
    return why_not


def _is(data: bytes, sha256: str) -> bool:
    return hashlib.sha256(data).hexdigest() == sha256


def _path(feedback: Feedback) -> str:
    """Return where the image goes, relative to the manifest."""
    return f"{IMAGES}/{feedback.sha256}.{feedback.verdict.image.format}"


def _row(said: list[Feedback]) -> dict[str, object]:
    newest, verdict = said[0], said[0].verdict
    url = next((each.url for each in said if each.url), "")
    return {
        "path": _path(newest),
        "label": newest.says,
        # No site's images may be in two splits.
        "source": f"feedback/{urlsplit(url).hostname or 'upload'}",
        "says": newest.says,
        "how": newest.how,
        "known_from": newest.source,
        "comment": newest.comment,
        "callers": len(said),
        "said_at": newest.received_at.isoformat(timespec="seconds"),
        "url": url,
        "sha256": newest.sha256,
        "verdict": verdict.label.value,
        "probability": verdict.probability,
        "model_version": verdict.model_version,
        "judged_at": verdict.checked_at.isoformat(timespec="seconds"),
    }


def _write(manifest: Path, rows: Iterable[dict[str, object]]) -> None:
    """Write the manifest, whole or not at all."""
    partial = manifest.with_suffix(".part")
    with partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows({name: guarded(cell) for name, cell in row.items()} for row in rows)
    partial.replace(manifest)
