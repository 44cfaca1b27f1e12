"""Origin policy: the Host and the origin of every request are checked.

Every page in the user's browser can reach a local server. The Host check stops DNS rebinding. The
Origin check stops pages that post to this server. The `Sec-Fetch-Site` check stops requests that
browsers send without an Origin, such as those for images. Browsers send at least one of the two
headers to loopback and over https, so a request with neither was not sent by a page. Over plain
http to another machine, a GET may have neither. Therefore a GET never starts work.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flask import Flask, request
from flask_cors import CORS
from flask_cors.core import get_cors_headers, get_cors_options
from werkzeug.datastructures import Headers
from werkzeug.exceptions import Forbidden, MisdirectedRequest
from werkzeug.wsgi import get_host

from backend.middleware import quotas
from settings import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from flask_cors.core import _ComputedCorsOptions

EXTENSION_ORIGINS = (
    r"^chrome-extension://ogpobafbiekihfldlbjgmeedgmabengf$",
    # Firefox gives every installation a random id. No web page can have such an origin.
    r"^moz-extension://[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_EXPOSED = ("Location", "Retry-After", "X-Request-ID", *quotas.HEADERS)


class OriginPolicy:
    """Which hosts this server answers to, and which origins may use it.

    Args:
        app: the application; it answers CORS requests of the allowed origins.
        settings: hosts and origins, in addition to loopback and the extension.
    """

    def __init__(self, app: Flask, settings: Settings) -> None:
        self._hosts = {*_LOOPBACK, _hostname(settings.bind), *settings.allowed_hosts}
        origins = [*EXTENSION_ORIGINS, *(f"^{re.escape(o)}$" for o in settings.allowed_origins)]
        self._allowed = re.compile("|".join(origins))
        options: dict[str, Any] = {
            "origins": origins,
            "expose_headers": list(_EXPOSED),
            "max_age": 3600,
        }
        CORS(app, **options)
        computed = get_cors_options(app, options)
        self._headers_for = lru_cache(maxsize=256)(partial(_cors_headers, computed))

    def check(self, environ: WSGIEnvironment) -> None:
        """Refuse an unknown host or origin.

        Raises:
            MisdirectedRequest: the server does not answer to this host name.
            Forbidden: it is a page that may not use this server.
        """
        host = get_host(environ)
        if _hostname(host) not in self._hosts:
            raise MisdirectedRequest("This server does not answer for that host name.")
        origin = environ.get("HTTP_ORIGIN")
        if origin is None:
            if _is_cross_site(environ):
                raise Forbidden("Pages of other sites may not use this server.")
            return
        if origin == f"{environ['wsgi.url_scheme']}://{host}":
            return
        if not self._allowed.match(origin):
            raise Forbidden("Pages of this origin may not use this server.")

    def cors_headers(self, environ: WSGIEnvironment) -> Sequence[tuple[str, str]]:
        """Return what flask-cors adds to an answer, other than to a preflight request."""
        origin = environ.get("HTTP_ORIGIN")
        return self._headers_for(origin) if origin else ()


def register(app: Flask, settings: Settings) -> OriginPolicy:
    """Refuse unknown hosts and origins, and answer CORS requests of the allowed origins."""
    policy = OriginPolicy(app, settings)

    @app.before_request
    def check() -> None:
        policy.check(request.environ)

    return policy


def _cors_headers(options: _ComputedCorsOptions, origin: str) -> tuple[tuple[str, str], ...]:
    found = get_cors_headers(options, Headers([("Origin", origin)]), "GET")
    return tuple((name, str(value)) for name, value in found.items(multi=True))


def _is_cross_site(environ: WSGIEnvironment) -> bool:
    """Return whether a page of another site caused this request, other than by a link.

    An extension's request without an Origin is a GET to a host that the user granted. Its
    `Sec-Fetch-Site` is ``none`` in Chromium and ``same-origin`` in Firefox.
    """
    if environ.get("HTTP_SEC_FETCH_SITE", "none") in ("none", "same-origin"):
        return False
    is_link = (
        environ.get("HTTP_SEC_FETCH_MODE") == "navigate"
        and environ.get("HTTP_SEC_FETCH_DEST") == "document"
    )
    return not (is_link and environ["REQUEST_METHOD"] in ("GET", "HEAD"))


@lru_cache(maxsize=256)
def _hostname(host: str) -> str:
    """Return the host without its port and without the brackets of an IPv6 address."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
