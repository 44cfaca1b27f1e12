"""Who may speak to the API: the Host and Origin of every request are checked.

A local server is reachable by every page in the user's browser. The Host check stops names that
were pointed at this machine (DNS rebinding); the Origin check stops pages that post to it.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from flask import Flask, request
from flask_cors import CORS
from werkzeug.exceptions import Forbidden, MisdirectedRequest

from settings import Settings

EXTENSION_ORIGINS = (
    r"^chrome-extension://ogpobafbiekihfldlbjgmeedgmabengf$",
    # Firefox gives every installation a random id, and lets no web page have such an origin.
    r"^moz-extension://[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def register(app: Flask, settings: Settings) -> None:
    """Refuse foreign Hosts and Origins, and answer the permitted origins' CORS requests."""
    hosts = {*_LOOPBACK, _hostname(settings.bind), *settings.allowed_hosts}
    origins = [*EXTENSION_ORIGINS, *(f"^{re.escape(o)}$" for o in settings.allowed_origins)]
    permitted = re.compile("|".join(origins))

    @app.before_request
    def check_host() -> None:
        if _hostname(request.host) not in hosts:
            raise MisdirectedRequest("This server does not answer under that host name.")

    @app.before_request
    def check_origin() -> None:
        origin = request.origin
        if origin is None or origin == f"{request.scheme}://{request.host}":
            return
        if not permitted.match(origin):
            raise Forbidden("Pages of this origin may not use this server.")

    CORS(app, origins=origins, expose_headers=["Location", "Retry-After"], max_age=3600)


def _hostname(host: str) -> str:
    """Return the name without the port, and without an IPv6 address's brackets."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
