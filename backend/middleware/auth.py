"""Authentication: every request has a caller, and a caller sees only their own jobs.

A caller is identified by an API key, sent as a bearer token (RFC 6750). Without
`ASSAY_REQUIRE_KEY` a request needs no key. A key that is sent is still checked and counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Flask, g, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from backend.api_keys import ApiKey, KeyExpiredError, KeyStore
from settings import Settings

SECURITY_SCHEMES: dict[str, Any] = {"key": {"type": "http", "scheme": "bearer"}}
SECURITY: list[dict[str, list[str]]] = [{"key": []}, {}]
"""OpenAPI's security requirement of every call under /v1: a key, or none."""
_OPEN = frozenset({"/", "/bulk", "/status", "/healthz", "/readyz", "/openapi", "/openapi.json"})
"""Paths that never need a key: for load balancers, and pages, whose scripts send one."""
_OPEN_FOLDERS = ("/openapi/", "/web/")
"""Files of the pages."""


@dataclass(frozen=True)
class Caller:
    """Who sent a request.

    Args:
        id: the API key's public id; empty without a key.
        key: the API key; None if none was sent.
    """

    id: str = ""
    key: ApiKey | None = None


ANYONE = Caller()


def caller() -> Caller:
    """Return the caller of the current request."""
    found: Caller = g.get("caller", ANYONE)
    return found


def register(app: Flask, settings: Settings, keys: KeyStore) -> None:
    """Identify the caller of each request, and refuse requests without a valid key."""

    @app.before_request
    def authenticate() -> None:
        # A browser's preflight request (OPTIONS) never has a key.
        if _is_open(request.path) or request.method == "OPTIONS":
            return
        authorization = request.authorization
        if authorization is not None and authorization.type == "bearer":
            try:
                key = keys.find(authorization.token or "")
            except KeyExpiredError as error:
                raise _unauthorized(str(error), error="invalid_token") from error
            if key is None:
                raise _unauthorized("This API key is not valid.", error="invalid_token")
            g.caller = Caller(key.id, key)
        elif settings.require_key:
            raise _unauthorized("An API key is needed. Send: Authorization: Bearer assay_…")


def _is_open(path: str) -> bool:
    return path in _OPEN or path.startswith(_OPEN_FOLDERS)


def _unauthorized(detail: str, **challenge: str | None) -> Unauthorized:
    """Make the error of RFC 6750, 3; it has no error code if no key was sent."""
    authenticate = WWWAuthenticate("bearer", {"realm": "assay", **challenge})
    return Unauthorized(detail, www_authenticate=authenticate)
