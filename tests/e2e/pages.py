"""Web pages with images on them, for the browser to visit."""

from __future__ import annotations

import html

from pytest_httpserver import HTTPServer
from werkzeug import Response

from tests.pictures import encoded, photograph

TYPES = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP", "gif": "GIF", "avif": "AVIF", "bmp": "BMP"}


def serve_image(site: HTTPServer, path: str, data: bytes) -> str:
    """Serve an image's bytes at a path, and return the address."""
    ending = path.rpartition(".")[2]
    kind = {"jpg": "jpeg", "svg": "svg+xml"}.get(ending, ending)
    site.expect_request(path).respond_with_data(data, content_type=f"image/{kind}")
    return site.url_for(path)


def serve_photograph(site: HTTPServer, path: str, name: str = "chelsea") -> str:
    """Serve a photograph in the format that the path's ending names."""
    return serve_image(site, path, encoded(photograph(name), TYPES[path.rpartition(".")[2]]))


def serve_page(
    site: HTTPServer,
    body: str,
    *,
    head: str = "",
    headers: dict[str, str] | None = None,
    path: str = "/page",
) -> str:
    """Serve a page at a path, and return its address."""
    document = f"<!doctype html><html lang=en><title>A page</title>{head}<body>{body}</body></html>"
    response = Response(document, content_type="text/html; charset=utf-8", headers=headers)
    site.expect_request(path).respond_with_response(response)
    return site.url_for(path)


def img(src: str, alt: str = "", width: int = 300) -> str:
    """Return the markup of an image."""
    return f'<img src="{html.escape(src)}" alt="{html.escape(alt)}" width="{width}">'


def favicon(site: HTTPServer) -> None:
    """Browsers ask for one on their own."""
    site.expect_request("/favicon.ico").respond_with_data(b"", status=204)
