"""Origin policy: the Host and the origin of every request are checked.

Every page in the user's browser can reach a local server. The Host check stops DNS rebinding. The
Origin check stops pages that post to this server. The `Sec-Fetch-Site` check stops requests that
browsers send without an Origin, such as those for images. Browsers send at least one of the two
headers to loopback and over https, so a request with neither was not sent by a page. Over plain
http to another machine, a GET may have neither. Therefore a GET never starts work.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from flask import Flask, request
from flask_cors import CORS
from werkzeug.exceptions import Forbidden, MisdirectedRequest

from backend.middleware import quotas
from settings import Settings

EXTENSION_ORIGINS = (
    r"^chrome-extension://ogpobafbiekihfldlbjgmeedgmabengf$",
    # Firefox gives every installation a random id. No web page can have such an origin.
    r"^moz-extension://[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_EXPOSED = ("Location", "Retry-After", "X-Request-ID", *quotas.HEADERS)


def register(app: Flask, settings: Settings) -> None:
    """Refuse unknown Hosts and origins, and answer CORS requests of the allowed origins."""
    hosts = {*_LOOPBACK, _hostname(settings.bind), *settings.allowed_hosts}
    origins = [*EXTENSION_ORIGINS, *(f"^{re.escape(o)}$" for o in settings.allowed_origins)]
    allowed = re.compile("|".join(origins))

    @app.before_request
    def check_host() -> None:
        if _hostname(request.host) not in hosts:
            raise MisdirectedRequest("This server does not answer for that host name.")

    @app.before_request
    def check_origin() -> None:
        origin = request.origin
        if origin is None:
            if _is_cross_site():
                raise Forbidden("Pages of other sites may not use this server.")
            return
        if origin == f"{request.scheme}://{request.host}":
            return
        if not allowed.match(origin):
            raise Forbidden("Pages of this origin may not use this server.")

    CORS(app, origins=origins, expose_headers=list(_EXPOSED), max_age=3600)


def _is_cross_site() -> bool:
    """Return whether a page of another site caused this request, other than by a link.

    An extension's request without an Origin is a GET to a host that the user granted. Its
    `Sec-Fetch-Site` is ``none`` in Chromium and ``same-origin`` in Firefox.
    """
    if request.headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin"):
        return False
    is_link = (
        request.headers.get("Sec-Fetch-Mode") == "navigate"
        and request.headers.get("Sec-Fetch-Dest") == "document"
    )
    return not (is_link and request.method in ("GET", "HEAD"))


def _hostname(host: str) -> str:
    """Return the host without its port and without the brackets of an IPv6 address."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
