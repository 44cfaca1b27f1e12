"""The security headers of every page that this server shows."""

from __future__ import annotations

from typing import Literal

from flask import Response

_EVERYWHERE = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
)
"""Content Security Policy Level 3: a page uses this server only, and no page frames it."""


def set_page_headers(
    response: Response,
    *directives: str,
    referrer: Literal["no-referrer", "same-origin"] = "no-referrer",
) -> Response:
    """Set the headers, and return the response.

    Args:
        response: a page, or a file of one.
        directives: further directives of the policy.
        referrer: a page with a form needs ``same-origin``: with ``no-referrer``, browsers send the
            form with ``Origin: null``, and the origin policy refuses it. Neither tells other
            servers anything.
    """
    response.headers["Content-Security-Policy"] = "; ".join((*_EVERYWHERE, *directives))
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = referrer
    return response
