"""A fetcher that may reach loopback, and servers there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import ip_network

import pytest

from tests.workers.fetch.servers import ScriptedServer, Serve, Step
from workers.fetch.client import Fetcher, Limits

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
