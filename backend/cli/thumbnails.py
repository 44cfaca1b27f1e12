"""The thumbnails of a scan's report. The images are fetched or read again, in this process."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock, Semaphore

from backend.cli.console import counted, messages
from backend.cli.inputs import read_file
from backend.lists import is_web_url
from backend.report.thumbnails import CHANGED, Wanted, wanted
from models.errors import CheckError
from models.verdict import CheckItem
from settings import Settings
from workers.fetching.client import Fetcher
from workers.fetching.host_limits import REQUESTS_PER_HOST
from workers.processing.pipeline import thumbnail

_THREADS = 8


class Thumbnails:
    """Makes thumbnails of images that are likely AI.

    Args:
        most: how many, at most.
        settings: the networks that may be fetched from.
    """

    def __init__(self, most: int, settings: Settings) -> None:
        self._most = most
        self._fetcher = Fetcher(settings.fetch_allow_nets)
        self._hosts: dict[str, Semaphore] = {}
        self._decoding = Lock()  # one image at a time, so that memory does not grow with threads

    def of(self, items: Iterable[CheckItem]) -> Mapping[int, bytes | str]:
        """Return the thumbnails, or why there is none, as `backend.report` wants them."""
        images = wanted(items, self._most)
        messages().print(f"Fetching {counted(len(images), 'thumbnail')} …", style="dim")
        with ThreadPoolExecutor(_THREADS) as threads:
            found = threads.map(self._thumbnail, images)
            return {image.row: each for image, each in zip(images, found, strict=True)}

    def _thumbnail(self, image: Wanted) -> bytes | str:
        try:
            data = self._fetch(image.url) if is_web_url(image.url) else read_file(Path(image.url))
            if hashlib.sha256(data).hexdigest() != image.sha256:
                return CHANGED
            with self._decoding:
                return thumbnail(data)
        except CheckError as error:
            return error.detail

    def _fetch(self, url: str) -> bytes:
        fetched = self._fetcher.get(url, slot=self._slot)
        assert fetched is not None, "an unconditional request is not answered by 304"  # noqa: S101
        return fetched.data

    def _slot(self, host: str) -> Semaphore:
        return self._hosts.setdefault(host, Semaphore(REQUESTS_PER_HOST))
