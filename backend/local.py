"""Judging on the spot, in this process: what `assay check` does where no server is needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

from backend.sources import read_file
from models.ensemble import Ensemble
from models.errors import CheckError
from models.verdict import CheckItem
from settings import Settings
from workers.fetch.client import Fetched, Fetcher
from workers.pipeline import judge_bytes

_FETCHING_THREADS = 4


class LocalJudge:
    """Judges files and, without a server, URLs; loads the members when they are first needed.

    Args:
        settings: tell which networks may be fetched from.
    """

    def __init__(self, settings: Settings) -> None:
        self._fetcher = Fetcher(settings.fetch_allow_nets)
        self._second_look = settings.second_look

    @cached_property
    def _ensemble(self) -> Ensemble:
        return Ensemble.load(second_look=self._second_look)

    def judge_file(self, name: str) -> CheckItem:
        """Judge the file at a path."""
        try:
            return self._done(name, read_file(Path(name)))
        except CheckError as error:
            return CheckItem.failed(name, error)

    def judge_urls(self, urls: Sequence[str]) -> Iterator[CheckItem]:
        """Fetch some URLs at a time, and judge them in order."""
        with ThreadPoolExecutor(_FETCHING_THREADS) as threads:
            for url, fetched in zip(urls, threads.map(self._fetch, urls), strict=True):
                try:
                    if isinstance(fetched, CheckError):
                        raise fetched
                    yield self._done(url, fetched.data)
                except CheckError as error:
                    yield CheckItem.failed(url, error)

    def _done(self, url: str, data: bytes) -> CheckItem:
        return CheckItem(url=url, status="done", verdict=judge_bytes(data, self._ensemble))

    def _fetch(self, url: str) -> Fetched | CheckError:
        try:
            fetched = self._fetcher.get(url)
        except CheckError as error:
            return error
        assert fetched is not None, "nothing was sent that could be answered by 304"  # noqa: S101
        return fetched
