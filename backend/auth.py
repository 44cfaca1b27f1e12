"""Who asks: every request has a caller, and a caller sees nothing of another's jobs.

A caller is known by an API key, sent as a bearer token (RFC 6750). Without `ASSAY_REQUIRE_KEY` a
request needs none; a key that is sent counts all the same, and a wrong one is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from flask import Flask, g, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from backend.keys import ApiKey, KeyStore
from settings import Settings

SECURITY_SCHEMES: dict[str, Any] = {"key": {"type": "http", "scheme": "bearer"}}
SECURITY: list[dict[str, list[str]]] = [{"key": []}, {}]
"""What the OpenAPI document says of every call under /v1: with a key, or without any."""
_OPEN = frozenset({"/", "/healthz", "/readyz"})
"""What load balancers, and who reads the documentation, may ask without a key."""


@dataclass(frozen=True)
class Caller:
    """Who sent a request.

    Args:
        id: the API key's public id; empty for who needs no key.
        key: the API key; None for who sent none.
    """

    id: str = ""
    key: ApiKey | None = None


ANYONE = Caller()


def caller() -> Caller:
    """Return who sent the request that is being handled."""
    found: Caller = g.get("caller", ANYONE)
    return found


def register(app: Flask, settings: Settings, keys: KeyStore) -> None:
    """Find out who sends each request, and refuse who may not."""

    @app.before_request
    def recognise() -> None:
        # A browser asks by OPTIONS, without any key, whether it may send one.
        if _is_open(request.path) or request.method == "OPTIONS":
            return
        authorization = request.authorization
        if authorization is not None and authorization.type == "bearer":
            key = keys.find(authorization.token or "")
            if key is None:
                raise _refusal("This API key is not valid.", error="invalid_token")
            g.caller = Caller(key.id, key)
        elif settings.require_key:
            raise _refusal("An API key is needed, as: Authorization: Bearer assay_…")


def _is_open(path: str) -> bool:
    return path in _OPEN or path == "/openapi" or path.startswith("/openapi/")


def _refusal(detail: str, **challenge: str | None) -> Unauthorized:
    """Refuse in the words of RFC 6750, 3: without an error code if no key was sent."""
    authenticate = WWWAuthenticate("bearer", {"realm": "assay", **challenge})
    return Unauthorized(detail, www_authenticate=authenticate)


def exposure(settings: Settings) -> str | None:
    """Return a warning if others than this machine's users may ask without a key."""
    host = settings.bind.rpartition(":")[0].strip("[]")
    if settings.require_key or host == "localhost" or _is_loopback(host):
        return None
    return (
        f"Whoever reaches {settings.bind} can use Assay without a key: "
        "set ASSAY_REQUIRE_KEY=true, or see that nobody else does."
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
