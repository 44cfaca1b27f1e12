"""Exports feedback as a folder of images with a manifest that training reads.

Assay stores only the hashes of images. Each image is fetched again, as safely as for a check. An
image that is gone or has changed is skipped.
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
from workers.fetching.client import Fetcher

COLUMNS = (
    *("path", "label", "split", "source", "corpus", "generator"),  # what training reads
    *("says", "how", "known_from", "comment", "callers", "said_at"),
    *("url", "sha256", "verdict", "probability", "model_version", "judged_at"),
)
MANIFEST, IMAGES = "manifest.csv", "images"
_THREADS = 2
"""The limit of simultaneous requests to one host, because all images may be on one host."""


class ExportError(Exception):
    """The folder cannot be written; the message is a sentence."""


def export(
    feedback: Iterable[Feedback], folder: Path, fetcher: Fetcher, on_skip: Callable[[str], None]
) -> int:
    """Write a manifest and the images that it lists. Images that are already there are kept.

    Args:
        feedback: what to export.
        folder: the target; created if missing.
        fetcher: fetches the images.
        on_skip: called with a sentence for every image that cannot be exported.

    Returns:
        The number of images in the manifest.

    Raises:
        ExportError: the folder cannot be written.
    """
    images = _by_image(feedback)
    try:
        (folder / IMAGES).mkdir(parents=True, exist_ok=True)
        rows = list(_rows(images, folder, fetcher, on_skip))
        _write(folder / MANIFEST, rows)
    except OSError as error:
        raise ExportError(f"{folder} cannot be written: {error.strerror}.") from error
    return len(rows)


def _by_image(feedback: Iterable[Feedback]) -> list[list[Feedback]]:
    """Group feedback by image, the newest of each image first."""
    images: dict[str, list[Feedback]] = {}
    for each in feedback:
        images.setdefault(each.sha256, []).insert(0, each)
    return list(images.values())


def _rows(
    images: list[list[Feedback]],
    folder: Path,
    fetcher: Fetcher,
    on_skip: Callable[[str], None],
) -> Iterator[dict[str, object]]:
    with ThreadPoolExecutor(_THREADS) as threads:
        reasons = threads.map(lambda group: _obtain(group, folder, fetcher), images)
        for group, reason in zip(images, reasons, strict=True):
            if reason is None:
                yield _row(group)
            else:
                on_skip(f"{group[0].url or f'sha256:{group[0].sha256}'}: {reason}")


def _obtain(group: list[Feedback], folder: Path, fetcher: Fetcher) -> str | None:
    """Save the image in the folder; return why this is not possible, if so."""
    if len({each.says for each in group}) > 1:
        return "Feedback disagrees on whether it is AI-made."
    path = folder / _path(group[0])
    if path.exists() and _has_hash(path.read_bytes(), group[0].sha256):
        return None
    reason = "It was uploaded. Uploads are not kept."
    for url in dict.fromkeys(each.url for each in group if each.url):
        try:
            fetched = fetcher.get(url)
        except CheckError as error:
            reason = error.detail
            continue
        if fetched is not None and _has_hash(fetched.data, group[0].sha256):
            path.write_bytes(fetched.data)
            return None
        reason = "The URL now has another image."
    return reason


def _has_hash(data: bytes, sha256: str) -> bool:
    return hashlib.sha256(data).hexdigest() == sha256


def _path(feedback: Feedback) -> str:
    """Return the image's path, relative to the manifest."""
    return f"{IMAGES}/{feedback.sha256}.{feedback.verdict.image.format}"


def _row(group: list[Feedback]) -> dict[str, object]:
    newest, verdict = group[0], group[0].verdict
    url = next((each.url for each in group if each.url), "")
    return {
        "path": _path(newest),
        "label": newest.says,
        # All images of a site must be in the same split.
        "source": f"feedback/{urlsplit(url).hostname or 'upload'}",
        "says": newest.says,
        "how": newest.how,
        "known_from": newest.source,
        "comment": newest.comment,
        "callers": len(group),
        "said_at": newest.received_at.isoformat(timespec="seconds"),
        "url": url,
        "sha256": newest.sha256,
        "verdict": verdict.label.value,
        "probability": verdict.probability,
        "model_version": verdict.model_version,
        "judged_at": verdict.checked_at.isoformat(timespec="seconds"),
    }


def _write(manifest: Path, rows: Iterable[dict[str, object]]) -> None:
    """Write the manifest atomically."""
    partial = manifest.with_suffix(".part")
    with partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows({name: guarded(cell) for name, cell in row.items()} for row in rows)
    partial.replace(manifest)
