"""Tells whether other machines can use the API without a key; imports nothing that takes long."""

from __future__ import annotations

from ipaddress import ip_address

from settings import Settings


def exposure(settings: Settings) -> str | None:
    """Return a warning if other machines can use the API without a key."""
    host = settings.bind.rpartition(":")[0].strip("[]")
    if settings.require_key or host == "localhost" or _is_loopback(host):
        return None
    return (
        f"Anyone who can reach {settings.bind} can use Assay without a key. "
        "Set ASSAY_REQUIRE_KEY=true, or restrict who can reach it."
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
