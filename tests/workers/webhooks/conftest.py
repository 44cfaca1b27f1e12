"""Receivers of webhooks, and what delivers them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from redis import Redis

from tests.workers.fetching.conftest import serve
from tests.workers.webhooks.delivering import delivering
from tests.workers.webhooks.receiver import Receiver

__all__ = ["delivers", "receive", "serve"]


@pytest.fixture
def delivers(redis: Redis) -> Iterator[None]:
    with delivering(redis):
        yield


@pytest.fixture
def receive() -> Iterator[Callable[..., Receiver]]:
    with ExitStack() as stack:
        yield lambda *args, **kw: stack.enter_context(Receiver(*args, **kw).running())
