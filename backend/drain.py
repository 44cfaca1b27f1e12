"""Whether this process is ending: who waits for news is answered early, so that it ends soon."""

from __future__ import annotations

from threading import Event

GLANCE = 1.0
"""Seconds within which whoever waits should have looked whether the process is ending."""

_begun = Event()


def begin() -> None:
    """Begin to end; the requests that have come are finished."""
    _begun.set()


def draining() -> bool:
    """Tell whether the process is ending."""
    return _begun.is_set()
