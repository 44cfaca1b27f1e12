"""A fetcher that may reach loopback, and servers there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from ipaddress import ip_network

import pytest

from models.errors import ErrorCode
from tests.workers.fetching.servers import ScriptedServer, Serve, Step
from workers.fetching.client import Fetcher, FetchError, Limits

LOOPBACK = ip_network("127.0.0.0/8")

PATIENT = Limits(max_bytes=100_000)
"""The real limits of time: a busy machine breaks no test that a server should pass."""

HASTY = Limits(resolve=0.3, connect=0.3, between_bytes=0.3, total=0.8, max_bytes=100_000)
"""Limits of time that a test need not wait long for, where a server should break them."""


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers that live as long as the test."""
    with ExitStack() as servers:

        def start(*script: Step, **options: object) -> ScriptedServer:
            return servers.enter_context(ScriptedServer(*script, **options))  # type: ignore[arg-type]

        yield start


def no_names(host: str) -> list[str]:
    """Fail the test that looks a name up."""
    raise AssertionError(f"{host} was looked up")


@pytest.fixture
def fetcher() -> Fetcher:
    """A fetcher that may reach loopback and looks no name up."""
    return Fetcher([LOOPBACK], no_names, PATIENT)


@pytest.fixture
def hasty() -> Fetcher:
    """The same without patience."""
    return Fetcher([LOOPBACK], no_names, HASTY)


def code_of(fetcher: Fetcher, url: str) -> ErrorCode:
    """Return the code with which a fetch fails."""
    with pytest.raises(FetchError) as refused:
        fetcher.get(url)
    assert refused.value.detail.endswith(".")
    assert "\n" not in refused.value.detail
    return refused.value.code


class Names:
    """A resolver that gives its answers in turn, the last for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.asked: list[str] = []
        self._answers = list(answers)

    def __call__(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
