"""Documentation of the API: the OpenAPI document, and a page with Swagger UI.

The page loads everything from this server. Its Content Security Policy forbids anything else.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import flask_openapi3_swagger
from flask import Blueprint, Response, current_app, send_file
from werkzeug.exceptions import NotFound

from backend.openapi import Api
from backend.page_headers import set_page_headers

blueprint = Blueprint("docs", __name__)

_SWAGGER = Path(flask_openapi3_swagger.__file__).parent / "templates" / "swagger"
_FILES = {
    "swagger-ui.css": _SWAGGER / "css" / "swagger-ui.css",
    "swagger-ui-bundle.js": _SWAGGER / "js" / "swagger-ui-bundle.js",
}
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Assay: the API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/openapi/swagger-ui.css">
<div id="page"></div>
<noscript>This page needs JavaScript; <a href="/openapi.json">the document</a> does not.</noscript>
<script src="/openapi/swagger-ui-bundle.js"></script>
<script src="/openapi/start.js"></script>
</html>
"""
# By default, Swagger UI sends the document's address to validator.swagger.io.
_START = """SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#page",
  deepLinking: true,
  validatorUrl: null,
});
"""


@blueprint.after_request
def set_headers(response: Response) -> Response:
    """Forbid loading from other servers, and framing."""
    return set_page_headers(response, "img-src 'self' data:", "form-action 'none'")


@blueprint.get("/openapi.json")
@blueprint.get("/openapi/openapi.json")
def document() -> Response:
    """Return the OpenAPI document."""
    api = cast(Api, current_app)
    return Response(api.json.dumps(api.api_doc), content_type="application/json")


@blueprint.get("/openapi", strict_slashes=False)
def page() -> Response:
    """Return the page."""
    return Response(_PAGE, content_type="text/html; charset=utf-8")


@blueprint.get("/openapi/<name>")
def file(name: str) -> Response:
    """Return a file of the page."""
    if name == "start.js":
        return Response(_START, content_type="text/javascript; charset=utf-8")
    if name not in _FILES:
        raise NotFound
    return send_file(_FILES[name], conditional=True, max_age=3600)
