"""Who asks: every request has a caller, and a caller sees nothing of another's jobs."""

from __future__ import annotations

from dataclasses import dataclass

from flask import g


@dataclass(frozen=True)
class Caller:
    """Who sent a request.

    Args:
        id: the API key's public id; empty for who needs no key.
    """

    id: str = ""


ANYONE = Caller()


def caller() -> Caller:
    """Return who sent the request that is being handled."""
    found: Caller = g.get("caller", ANYONE)
    return found
