"""Draining: whether this process is stopping. Waiting requests are then answered early."""

from __future__ import annotations

from threading import Event

POLL_SECONDS = 3.0
"""A waiting request should call `draining` at least this often. To wake it for that takes the API a
third of a millisecond, and with many clients each waits for seconds."""

_draining = Event()


def begin() -> None:
    """Begin draining. Requests that were accepted are still finished."""
    _draining.set()


def draining() -> bool:
    """Return whether this process is stopping."""
    return _draining.is_set()
