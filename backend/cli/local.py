"""Checks in this process, without a server: for `assay check`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from backend.cli.inputs import LARGEST_FILE, read_file, too_large
from backend.report.thumbnails import CHANGED
from models.ensemble import Ensemble
from models.errors import CheckError
from models.verdict import CheckItem
from settings import Settings
from workers.fetching.client import Fetched, Fetcher
from workers.processing.pipeline import Pictures, classify, explain, illustrate

_FETCHING_THREADS = 4


class LocalChecker:
    """Checks files and URLs. It loads the models when they are first needed.

    Args:
        settings: the networks that may be fetched from, the members, the lifetime of verdicts.
        illustrated: whether to make the pictures of each image for a report.
    """

    def __init__(self, settings: Settings, *, illustrated: bool = False) -> None:
        self._pictures: dict[str, Pictures] = {}
        self._illustrated = illustrated
        self._fetcher = Fetcher(settings.fetch_allow_nets)
        self._cascade_mode = settings.second_look
        self._verdict_ttl = settings.verdict_ttl

    @cached_property
    def _ensemble(self) -> Ensemble:
        return Ensemble.load(cascade_mode=self._cascade_mode)

    def explain_file(self, name: str) -> bytes:
        """Return a PNG of where the file at a path looks AI-made.

        Raises:
            CheckError: it cannot be read, or is no image that can be classified.
        """
        return explain(read_file(Path(name)), self._ensemble)

    def check_file(self, name: str) -> CheckItem:
        """Check the file at a path."""
        try:
            return self._done(name, read_file(Path(name)))
        except CheckError as error:
            return CheckItem.failed(name, error)

    def check_stream(self, name: str, stream: BinaryIO) -> CheckItem:
        """Check the image in a stream."""
        try:
            data = stream.read(LARGEST_FILE + 1)
            if len(data) > LARGEST_FILE:
                raise too_large()
            return self._done(name, data)
        except CheckError as error:
            return CheckItem.failed(name, error)

    def check_urls(self, urls: Sequence[str]) -> Iterator[CheckItem]:
        """Fetch some URLs at a time, and check them in order."""
        with ThreadPoolExecutor(_FETCHING_THREADS) as threads:
            for url, fetched in zip(urls, threads.map(self._fetch, urls), strict=True):
                try:
                    if isinstance(fetched, CheckError):
                        raise fetched
                    yield self._done(url, fetched.data)
                except CheckError as error:
                    yield CheckItem.failed(url, error)

    def pictures_of(self, url: str, sha256: str) -> Pictures | str:
        """Return the pictures of an image for a report, or a sentence that says why there are none.

        Args:
            url: from where it is fetched again, if a server judged it.
            sha256: of the bytes that were judged.
        """
        if (known := self._pictures.get(sha256)) is not None:
            return known
        try:
            if isinstance(fetched := self._fetch(url), CheckError):
                raise fetched
            if hashlib.sha256(fetched.data).hexdigest() != sha256:
                return CHANGED
            return self._pictures.setdefault(sha256, illustrate(fetched.data, self._ensemble))
        except CheckError as error:
            return error.detail

    def _done(self, url: str, data: bytes) -> CheckItem:
        verdict = classify(data, self._ensemble, self._verdict_ttl)
        if self._illustrated:
            self._pictures[verdict.image.sha256] = illustrate(data, self._ensemble)
        return CheckItem(url=url, status="done", verdict=verdict)

    def _fetch(self, url: str) -> Fetched | CheckError:
        try:
            fetched = self._fetcher.get(url)
        except CheckError as error:
            return error
        assert fetched is not None, "an unconditional request is not answered by 304"  # noqa: S101
        return fetched
