"""Who may speak to the API: the Host and the origin of every request are checked.

A local server is reachable by every page in the user's browser. The Host check stops names that
were pointed at this machine (DNS rebinding). The Origin check stops pages that post to it, and
`Sec-Fetch-Site` those requests for which a browser tells no Origin, as an image's. What tells
neither was not sent by a page: browsers send the one or the other to loopback and to https. A GET
to a plain http server elsewhere may carry none, and is why a GET begins nothing here.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from flask import Flask, request
from flask_cors import CORS
from werkzeug.exceptions import Forbidden, MisdirectedRequest

from backend import limits
from settings import Settings

EXTENSION_ORIGINS = (
    r"^chrome-extension://ogpobafbiekihfldlbjgmeedgmabengf$",
    # Firefox gives every installation a random id, and lets no web page have such an origin.
    r"^moz-extension://[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_EXPOSED = ("Location", "Retry-After", "X-Request-ID", *limits.HEADERS)


def register(app: Flask, settings: Settings) -> None:
    """Refuse foreign Hosts and origins, and answer the permitted origins' CORS requests."""
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
        if origin is None:
            if _is_sent_by_a_page_elsewhere():
                raise Forbidden("Pages of other sites may not use this server.")
            return
        if origin == f"{request.scheme}://{request.host}":
            return
        if not permitted.match(origin):
            raise Forbidden("Pages of this origin may not use this server.")

    CORS(app, origins=origins, expose_headers=list(_EXPOSED), max_age=3600)


def _is_sent_by_a_page_elsewhere() -> bool:
    """Tell whether a page had the browser send this request, other than by a link to here.

    An extension's request without an Origin, which is a GET to where the user permits it, says
    ``none`` in Chromium and ``same-origin`` in Firefox.
    """
    if request.headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin"):
        return False
    is_link = (
        request.headers.get("Sec-Fetch-Mode") == "navigate"
        and request.headers.get("Sec-Fetch-Dest") == "document"
    )
    return not (is_link and request.method in ("GET", "HEAD"))


def _hostname(host: str) -> str:
    """Return the name without the port, and without an IPv6 address's brackets."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
